"""One chat, translated message by message and piece by piece; what cannot be used is asked for again."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from lilm.chat import Message
from lilm.train.finetune.translate.chrf import chrf
from lilm.train.finetune.translate.glossary import Glossary
from lilm.train.finetune.translate.masks import Lost, Masked, mask, without_marks
from lilm.train.finetune.translate.pieces import pieces_of
from lilm.train.finetune.translate.prompts import Prompt
from lilm.train.finetune.translate.suspect import Judge, Problem
from lilm.train.finetune.translate.translators import Reply, Request

TRIES = 3
ROOM = 128, 2  # tokens for an answer: so many, and so many for each character of the text
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)

Ask = Callable[[Request], Awaitable[Reply]]


@dataclass
class Translated:
    """messages: the whole chat, up to where it failed. backs: what each message's pieces were translated back to.
    score: chrF of these and the source, from 0 to 1; None where nothing was translated back. problem: why the chat is
    not used; `source` and `said` are then the text that failed, and what was answered last."""

    messages: list[Message] = field(default_factory=list)
    backs: list[str] = field(default_factory=list)
    score: float | None = None
    problem: Problem | None = None
    source: str = ""
    said: str = ""

    @property
    def rounded(self) -> float | None:
        return None if self.score is None else round(self.score, 4)


class _Failed(Exception):
    """args: problem, source, said."""


@dataclass(frozen=True)
class ChatTranslator:
    """back: translate back too, for a score. min_score: the least that is accepted."""

    prompt: Prompt
    judge: Judge
    glossary: Glossary
    back: bool = True
    min_score: float = 0.0

    async def translate(self, messages: list[Message], ask: Ask) -> Translated:
        """The chat in the other language, its turns as they were. What `ask` raises comes through."""
        done = Translated()
        cut = [pieces_of(message["content"]) for message in messages]
        words = "\n".join(mask(piece.text).plain for pieces in cut for piece in pieces if piece.translated)
        if language := self.judge.is_foreign(words):
            done.problem = Problem(f"the chat is not in {self.judge.base_language}", language)
            return done
        pairs: list[tuple[str, str]] = []
        try:
            for message, pieces in zip(messages, cut, strict=True):
                done.messages.append({**message, "content": ""})
                content, backs = "", ""
                for piece in pieces:
                    if not piece.translated:
                        content, backs = content + piece.text, backs + piece.text
                        continue
                    text, back = await self._piece(mask(piece.text), ask)
                    content, backs = content + text, backs + back
                    pairs.append((piece.text, back))
                done.messages[-1]["content"] = content
                done.backs.append(backs)
        except _Failed as failure:
            done.problem, done.source, done.said = failure.args
            return done
        if self.back and pairs:
            sources, backs_of = ("\n".join(texts) for texts in zip(*pairs, strict=True))
            done.score = chrf(backs_of, sources)
            if done.score < self.min_score:
                done.problem = Problem("translated back, it is another text", f"chrF {done.score:.2f}")
                done.source, done.said = sources, backs_of
        return done

    async def _piece(self, masked: Masked, ask: Ask) -> tuple[str, str]:
        """(translation, the same translated back or "")."""
        terms, problem, said = self.glossary.of(masked.text), None, ""
        for attempt in range(TRIES):
            prompt = self.prompt.forward(masked.text, terms, str(problem) if problem else "")
            reply = await ask(Request(prompt, _room(masked.text), attempt))
            said = _answered(reply)
            text, problem = self._judged(masked, reply, said)
            if problem is None:
                return text, await self._back(masked, said, ask) if self.back else ""
            if reply.finish == "refused":
                break
        raise _Failed(problem, masked.restore(masked.text), said)

    def _judged(self, masked: Masked, reply: Reply, said: str) -> tuple[str, Problem | None]:
        if reply.finish == "refused":
            return "", Problem("the translator refuses the text", said)
        if reply.finish == "length":
            return "", Problem("the translation breaks off")
        problem = self.judge.problem(masked.plain, without_marks(said, masked.letter))
        if problem is not None:
            return "", problem
        try:
            return masked.restore(said), None
        except Lost as lost:
            return "", Problem("lost code, an address or a tag", lost.args[0][:60])

    async def _back(self, masked: Masked, translated: str, ask: Ask) -> str:
        reply = await ask(Request(self.prompt.back(translated), _room(masked.text)))
        said = "" if reply.finish == "refused" else _answered(reply)
        try:
            return masked.restore(said)
        except Lost:
            return said


def _room(text: str) -> int:
    return ROOM[0] + ROOM[1] * len(text)


def _answered(reply: Reply) -> str:
    """Without what a model thought before it."""
    return _THOUGHT.sub("", reply.text).strip()
