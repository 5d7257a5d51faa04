"""Chats as token ids with labels on the assistant's words only, and packed into windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lilm.chat import Message, Part, is_learnt
from lilm.chat.tokens import ChatVocabulary, first_control
from lilm.chat.turns import PROMPT, Turns
from lilm.errors import LilmError
from lilm.train.pack.packing import IGNORE, PADDING, Windows

Int64 = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class TokenisedChat:
    """ids: BOS, if there is one, and the rendered chat; labels[t]: what to predict after ids[t], or IGNORE."""

    ids: list[int]
    labels: list[int]


def tokenise_chat(messages: Sequence[Message], turns: Turns, vocabulary: ChatVocabulary) -> TokenisedChat:
    """Labels on each assistant turn that is learnt and the end-of-turn token behind it, nowhere else.

    A turn's tokens are those by which the text with it goes on from the prompt that asks for it: what the model has to
    write when it answers. Raises TemplateFailure for an order of roles that the format has no place for.
    """
    parts = turns.parts(messages, add_generation_prompt=False)
    ids = vocabulary.ids(parts)
    labels = [IGNORE] * len(ids)
    for index, message in enumerate(messages):
        if not is_learnt(message):
            continue
        before, words, after = parts[: 2 * index + 1], parts[2 * index + 1], parts[2 * index + 2].text
        asked = [*before[:-1], Part(turns.borders["user", PROMPT], False)] if len(before) > 1 else before
        end = first_control(after, vocabulary.control)
        prompt = vocabulary.ids(asked)
        answered = vocabulary.ids([*before, words, Part(after[: end[1]] if end else "", False)])
        start = next((at for at, (one, other) in enumerate(zip(prompt, answered, strict=False)) if one != other), None)
        for at in range(max(1, len(prompt) if start is None else start), len(answered)):  # nothing is before the first
            labels[at - 1] = ids[at]
    return TokenisedChat(ids, labels)


@dataclass(frozen=True)
class ChatWindow:
    """Three int64 arrays [sequence_length]; see `lilm.train.trainer.batches.TrainingSequence`."""

    input_ids: Int64
    position_ids: Int64
    labels: Int64


class ChatSequences:
    """Chats packed whole, as documents are; see `lilm.train.pack.packing.Windows`.

    chats: of `sequence_length` tokens at most, see `lilm.train.finetune.cutting`. Raises LilmError for none.
    """

    def __init__(self, chats: list[TokenisedChat], sequence_length: int, seed: int) -> None:
        if not chats:
            raise LilmError(
                f"no chat fits into {sequence_length} tokens", where="finetune.sequence_length", remedy="raise it"
            )
        self._chats = [chats[at] for at in np.random.default_rng([seed, 0]).permutation(len(chats))]
        self._length = sequence_length
        self._windows = Windows(np.array([len(chat.ids) for chat in self._chats]), sequence_length, seed)

    def __len__(self) -> int:
        return len(self._windows)

    def sequence(self, index: int) -> ChatWindow:
        """Window `index`, 0 or more; past `len(self)` the next epoch begins."""
        ids = np.full(self._length, PADDING, dtype=np.int64)
        positions = np.zeros(self._length, dtype=np.int64)
        labels = np.full(self._length, IGNORE, dtype=np.int64)
        start = 0
        for number in self._windows.pieces(index):
            chat = self._chats[number]
            end = start + len(chat.ids)
            ids[start:end], labels[start:end] = chat.ids, chat.labels
            positions[start:end] = np.arange(len(chat.ids))
            start = end
        positions[start:] = np.arange(self._length - start)
        return ChatWindow(ids, positions, labels)
