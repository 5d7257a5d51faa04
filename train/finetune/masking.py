"""Chats as token ids with labels on the assistant's words only, and packed into windows."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lilm.chat import render
from lilm.errors import LilmError
from lilm.train.finetune.sources import Message
from lilm.train.trainer.batches import IGNORE

Int64 = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class TokenisedChat:
    """ids: BOS, if there is one, and the rendered chat; labels[t]: what to predict after ids[t], or IGNORE."""

    ids: list[int]
    labels: list[int]


def tokenise_chat(
    messages: list[Message],
    encode: Callable[[str], list[int]],
    eos_token: str = "</s>",  # noqa: S107 - no password
) -> TokenisedChat:
    """Labels on each assistant turn and the end-of-turn token behind it, nowhere else.

    encode: rendered text -> ids, with BOS if the model has one. eos_token: ends a turn. The text up to a turn must be a
    prefix, in tokens, of the text with the turn: that is what the model will see when it answers. Raises RuntimeError
    where it is not.
    """
    ids = encode(render(messages, False, eos_token))
    spoken = [False] * len(ids)
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        prompt = encode(render(messages[:index], True, eos_token))
        # the template ends a turn with EOS and a line break; the line break comes after the model has stopped
        answered = encode(render(messages[: index + 1], False, eos_token).rstrip("\n"))
        if ids[: len(prompt)] != prompt or ids[: len(answered)] != answered:
            raise RuntimeError(f"the chat template and the tokenizer disagree on where a turn ends: {message}")
        for at in range(len(prompt), len(answered)):
            spoken[at] = True
    labels = [ids[at + 1] if at + 1 < len(ids) and spoken[at + 1] else IGNORE for at in range(len(ids))]
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
