"""Chats longer than a window, cut between exchanges: each part begins with the system message and a question, and
holds whole answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple

from lilm.chat import Message, is_learnt
from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import Turns
from lilm.train.finetune.masking import TokenisedChat, tokenise_chat
from lilm.train.finetune.messages import Chat

NAMED = 5  # exchanges that are too long


class Part(NamedTuple):
    """A chat, or some exchanges of a longer one. source: its name in the recipe."""

    messages: list[Message]
    tokens: TokenisedChat
    source: str


@dataclass
class CutChats:
    """parts: what is learnt. cut: chats that are in several parts. too_long: exchanges that alone exceed the window,
    with the system message; named: where the first of them stand, and their tokens."""

    parts: list[Part] = field(default_factory=list)
    cut: int = 0
    too_long: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, chat: Chat, turns: Turns, vocabulary: ChatVocabulary, window: int) -> list[Part]:
        """Returns the chat's parts, each of `window` tokens at most and with an answer that is learnt."""
        found: list[Part] = []
        parts = _parts(chat.messages, turns, vocabulary, window)
        for messages in (part for part in parts if any(map(is_learnt, part))):
            tokenised = tokenise_chat(messages, turns, vocabulary)
            if len(tokenised.ids) <= window:
                found.append(Part(messages, tokenised, chat.source))
                continue
            self.too_long += 1
            if len(self.named) < NAMED:
                self.named.append(f"{chat.where}: an exchange of {len(tokenised.ids)} tokens, of {window}")
        self.cut += len(found) > 1
        self.parts += found
        return found

    def figures(self) -> dict[str, Any]:
        return {"cut": self.cut, "too_long": self.too_long, "too_long_at": self.named}

    def told(self, window: int) -> list[str]:
        """Lines for people."""
        lines = [f"cut between exchanges: {self.cut} chats longer than {window} tokens"] if self.cut else []
        if self.too_long:
            lines.append(f"left out: {self.too_long} exchanges longer than the window of {window} tokens")
        return [*lines, *(f"too long: {where}" for where in self.named)]


def cut_chats(chats: Iterable[Chat], turns: Turns, vocabulary: ChatVocabulary, window: int) -> CutChats:
    """All chats as token ids with labels. window: most tokens of a part."""
    made = CutChats()
    for chat in chats:
        made.add(chat, turns, vocabulary, window)
    return made


def _parts(messages: Sequence[Message], turns: Turns, vocabulary: ChatVocabulary, window: int) -> list[list[Message]]:
    """As many exchanges in each as fit into the window; one that does not fit stands alone."""

    def fits(part: Sequence[Message]) -> bool:
        return len(vocabulary.ids(turns.parts(part, add_generation_prompt=False))) <= window

    if fits(messages):
        return [list(messages)]
    system = list(takewhile(lambda message: message["role"] == "system", messages))
    parts: list[list[Message]] = []
    for exchange in _exchanges(messages[len(system) :]):
        longer = [*(parts[-1] if parts else system), *exchange]
        if parts and fits(longer):
            parts[-1] = longer
        else:
            parts.append([*system, *exchange])
    return parts


def _exchanges(messages: Sequence[Message]) -> list[list[Message]]:
    """Each begins with a question, but for answers before the first one."""
    found: list[list[Message]] = []
    for message in messages:
        if message["role"] == "user" or not found:
            found.append([])
        found[-1].append(message)
    return found
