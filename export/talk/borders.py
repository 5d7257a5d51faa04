"""Do all runtimes see the borders of turns where training put them?"""

from collections.abc import Sequence
from dataclasses import dataclass

from lilm.chat import Message
from lilm.export.talk.models import ChatModel
from lilm.train.finetune.masking import TokenisedChat, tokenise_chat
from lilm.train.pack.packing import IGNORE

NEXT: Message = {"role": "user", "content": "?"}


@dataclass(frozen=True)
class Asked:
    """One conversation as training reads it, and the chats by which a runtime comes to each of its answers and, last,
    past them all."""

    trained: TokenisedChat
    chats: list[list[Message]]
    expected: list[list[int]]


def asked(model: ChatModel, chat: list[Message]) -> Asked:
    """chat: ends with an answer."""
    chat = model.taken(chat)
    answers = [at for at, message in enumerate(chat) if message["role"] == "assistant"]
    chats = [*(chat[:at] for at in answers), [*chat, NEXT]]
    trained = tokenise_chat(chat, model.chosen.turns, model.vocabulary)
    return Asked(trained, chats, [model.prompt(one) for one in chats])


def same_mask(one: Asked, seen: Sequence[Sequence[int]], end: int) -> bool:
    """Whether training's labels are on what a runtime writes: from where each answer is asked for up to the token
    `end`, and nowhere else. seen: the runtime's ids of one.chats.

    An answer begins where the ids of the whole chat leave those of its prompt: a token may reach over the border.
    """
    *prompts, whole = seen
    labels = [IGNORE] * len(whole)
    last = 0
    for prompt in prompts:
        pairs = enumerate(zip(prompt, whole, strict=False))
        start = next((at for at, (left, right) in pairs if left != right), len(prompt))
        if end not in whole[start:]:
            return False
        last = whole.index(end, start) + 1
        labels[start - 1 : last - 1] = whole[start:last]
    trained = one.trained
    return (
        list(whole[:last]) == trained.ids[:last]
        and labels[:last] == trained.labels[:last]
        and all(label == IGNORE for label in trained.labels[last:])
    )


def compare(model: ChatModel, conversations: Sequence[Asked], seen: Sequence[list[int]]) -> dict[str, int]:
    """How many prompts have other tokens than in training, and how many conversations another mask. seen: the
    runtime's ids of all chats of all conversations, one after the other."""
    tokens = masks = at = 0
    for one in conversations:
        found = seen[at : at + len(one.chats)]
        at += len(one.chats)
        tokens += sum(ids != expected for ids, expected in zip(found, one.expected, strict=True))
        masks += not same_mask(one, found, model.end)
    return {"prompts": at, "differing_tokens": tokens, "differing_masks": masks}
