"""What the model answers to held-out questions: greedily, so that it is the same each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lilm.chat import Message
from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import Turns
from lilm.train.finetune.heldout import ReadChat
from lilm.train.finetune.token_pairs import TokenPair
from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.samples import Decode, continue_greedily

PAIRS = 16  # whose answers' length is watched
LONGEST = 256  # tokens up to which it is


@dataclass(frozen=True)
class Questions:
    """texts: what is said before the first answer. prompts: the same as token ids, which the answer follows. wanted:
    the answers that the chats have. end: id of the token that ends an answer."""

    texts: list[str]
    prompts: list[list[int]]
    wanted: list[str]
    decode: Decode
    end: int

    def add(self, chat: Sequence[Message], turns: Turns, vocabulary: ChatVocabulary) -> None:
        """chat: ends with the answer."""
        asked = chat[:-1]
        self.texts.append("\n".join(message["content"] for message in asked))
        self.prompts.append(vocabulary.ids(turns.parts(asked, add_generation_prompt=True)))
        self.wanted.append(chat[-1]["content"])

    def answers(self, model: Any, n_tokens: int) -> list[str]:
        """At most `n_tokens` each, and no more than the model's context has room for."""
        return [text for text, _ in self.ended_answers(model, n_tokens)]

    def ended_answers(self, model: Any, n_tokens: int) -> list[tuple[str, bool]]:
        """The answers, each with whether the model ended it: others are cut."""
        room = model.config.max_position_embeddings
        said = [continue_greedily(model, ids, min(n_tokens, room - len(ids)), self.end) for ids in self.prompts]
        return [(self.decode(ids[: ids.index(self.end)] if self.end in ids else ids), self.end in ids) for ids in said]

    def table(self, before: Sequence[str], after: Sequence[str]) -> list[dict[str, str]]:
        rows = zip(self.texts, before, after, self.wanted, strict=True)
        return [dict(zip(("question", "before", "after", "wanted"), row, strict=True)) for row in rows]


def first_questions(
    chats: Sequence[ReadChat],
    count: int,
    turns: Turns,
    vocabulary: ChatVocabulary,
    decode: Decode,
    end: int,
) -> Questions:
    """Those of the first `count` chats in which somebody asks before the assistant speaks."""
    found = Questions([], [], [], decode, end)
    for chat in chats:
        at = next(at for at, message in enumerate(chat.messages) if message["role"] == "assistant")
        if len(found.texts) < count and at and chat.messages[at - 1]["role"] == "user":
            found.add(chat.messages[: at + 1], turns, vocabulary)
    return found


def watched_tokens(pairs: Sequence[TokenPair]) -> int:
    """Up to how many tokens the length of answers to `pair_questions` is watched: twice the longest chosen one's show
    answers that become longer."""
    longest = max((sum(label != IGNORE for label in pair.chosen.labels) for pair in pairs[:PAIRS]), default=0)
    return min(2 * longest, LONGEST)


def pair_questions(
    pairs: Sequence[TokenPair], turns: Turns, vocabulary: ChatVocabulary, decode: Decode, end: int
) -> Questions:
    """What the first PAIRS of pairs answer, with the chosen answers."""
    found = Questions([], [], [], decode, end)
    for pair in pairs[:PAIRS]:
        found.add(pair.pair.chosen, turns, vocabulary)
    return found
