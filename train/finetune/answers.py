"""What the model answers to held-out questions: greedily, so that it is the same each time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lilm.chat.tokens import ChatVocabulary
from lilm.chat.turns import Turns
from lilm.train.finetune.heldout import ReadChat
from lilm.train.trainer.samples import continue_greedily


@dataclass(frozen=True)
class Questions:
    """texts: what is said before the first answer. prompts: the same as token ids, which the answer follows. wanted:
    the answers that the chats have. end: id of the token that ends an answer."""

    texts: list[str]
    prompts: list[list[int]]
    wanted: list[str]
    decode: Callable[[list[int]], str]
    end: int

    def answers(self, model: Any, n_tokens: int) -> list[str]:
        """At most `n_tokens` each, and no more than the model's context has room for."""
        room = model.config.max_position_embeddings
        said = [continue_greedily(model, ids, min(n_tokens, room - len(ids))) for ids in self.prompts]
        return [self.decode(ids[: ids.index(self.end)] if self.end in ids else ids) for ids in said]

    def table(self, before: Sequence[str], after: Sequence[str]) -> list[dict[str, str]]:
        rows = zip(self.texts, before, after, self.wanted, strict=True)
        return [dict(zip(("question", "before", "after", "wanted"), row, strict=True)) for row in rows]


def first_questions(
    chats: Sequence[ReadChat],
    count: int,
    turns: Turns,
    vocabulary: ChatVocabulary,
    decode: Callable[[list[int]], str],
    end: int,
) -> Questions:
    """Those of the first `count` chats in which somebody asks before the assistant speaks."""
    found = Questions([], [], [], decode, end)
    for chat in chats:
        at = next(at for at, message in enumerate(chat.messages) if message["role"] == "assistant")
        if len(found.texts) < count and at and chat.messages[at - 1]["role"] == "user":
            found.texts.append("\n".join(message["content"] for message in chat.messages[:at]))
            found.prompts.append(vocabulary.ids(turns.parts(chat.messages[:at], add_generation_prompt=True)))
            found.wanted.append(chat.messages[at]["content"])
    return found
