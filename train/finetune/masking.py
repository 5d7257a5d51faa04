"""Chats as token ids with labels on the assistant's words only, and packed into windows."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lilm.chat import Message, Part
from lilm.chat.tokens import ChatVocabulary, first_control
from lilm.chat.turns import PROMPT, Turns
from lilm.errors import LilmError
from lilm.train.trainer.batches import IGNORE

Int64 = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class TokenisedChat:
    """ids: BOS, if there is one, and the rendered chat; labels[t]: what to predict after ids[t], or IGNORE."""

    ids: list[int]
    labels: list[int]


def tokenise_chat(messages: Sequence[Message], turns: Turns, vocabulary: ChatVocabulary) -> TokenisedChat:
    """Labels on each assistant turn and the end-of-turn token behind it, nowhere else.

    A turn's tokens are those by which the text with it goes on from the prompt that asks for it: what the model has to
    write when it answers. Raises TemplateFailure for an order of roles that the format has no place for.
    """
    parts = turns.parts(messages, add_generation_prompt=False)
    ids = vocabulary.ids(parts)
    labels = [IGNORE] * len(ids)
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before, words, after = parts[: 2 * index + 1], parts[2 * index + 1], parts[2 * index + 2].text
        asked = [*before[:-1], Part(turns.borders["user", PROMPT], False)] if len(before) > 1 else before
        end = first_control(after, vocabulary.control)
        prompt = vocabulary.ids(asked)
        answered = vocabulary.ids([*before, words, Part(after[: end[1]] if end else "", False)])
        start = next((at for at, (one, other) in enumerate(zip(prompt, answered, strict=False)) if one != other), None)
        for at in range(len(prompt) if start is None else start, len(answered)):
            labels[at - 1] = ids[at]
    return TokenisedChat(ids, labels)


@dataclass(frozen=True)
class ChatWindow:
    """Three int64 arrays [sequence_length]; see `lilm.train.trainer.batches.Sequence`."""

    input_ids: Int64
    position_ids: Int64
    labels: Int64


class ChatSequences:
    """Chats packed whole into windows; a new order each epoch, decided by (seed, epoch) alone."""

    def __init__(self, chats: list[TokenisedChat], sequence_length: int, seed: int) -> None:
        self._chats = [chat for chat in chats if len(chat.ids) <= sequence_length]
        self.dropped = len(chats) - len(self._chats)
        if not self._chats:
            raise LilmError(
                f"no chat fits into {sequence_length} tokens", where="finetune.sequence_length", remedy="raise it"
            )
        self._length, self._seed = sequence_length, seed
        self._epochs: dict[int, list[list[int]]] = {}
        # every epoch gives this many windows, so that an index alone says which epoch it is in
        self._per_epoch = min(len(self._pack(epoch)) for epoch in range(2))

    def __len__(self) -> int:
        return self._per_epoch

    def _pack(self, epoch: int) -> list[list[int]]:
        """Chat numbers of each window: first fit over the windows still open."""
        if epoch not in self._epochs:
            order = list(range(len(self._chats)))
            random.Random(f"{self._seed}/{epoch}").shuffle(order)
            windows: list[list[int]] = []
            room: list[int] = []
            first_open = 0
            for number in order:
                size = len(self._chats[number].ids)
                at = next((i for i in range(first_open, len(windows)) if room[i] >= size), len(windows))
                if at == len(windows):
                    windows.append([])
                    room.append(self._length)
                windows[at].append(number)
                room[at] -= size
                first_open = max(first_open, len(windows) - 32)
            self._epochs = {epoch: windows}
        return self._epochs[epoch]

    def sequence(self, index: int) -> ChatWindow:
        epoch, at = divmod(index, self._per_epoch)
        windows = self._pack(epoch)
        ids = np.zeros(self._length, dtype=np.int64)
        positions = np.zeros(self._length, dtype=np.int64)
        labels = np.full(self._length, IGNORE, dtype=np.int64)
        start = 0
        for number in windows[at % len(windows)]:
            chat = self._chats[number]
            end = start + len(chat.ids)
            ids[start:end], labels[start:end] = chat.ids, chat.labels
            positions[start:end] = np.arange(len(chat.ids))
            start = end
        positions[start:] = np.arange(self._length - start)
        return ChatWindow(ids, positions, labels)
