"""Training sequences out of documents: whole documents side by side, hardly any padding, nothing cropped."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

IGNORE = -100  # label that counts for nothing, as in torch.nn.functional.cross_entropy
PADDING = 0  # id of padding; its labels are IGNORE
PADDING_SEGMENT = -1

Int64 = np.ndarray[tuple[int], np.dtype[np.int64]]


class Documents(Protocol):
    @property
    def n_documents(self) -> int: ...
    @property
    def n_tokens(self) -> int: ...
    def document(self, index: int) -> np.ndarray[tuple[int], np.dtype[Any]]: ...


@dataclass(frozen=True)
class PackedSequence:
    """Four int64 arrays of length [sequence_length].

    position_ids: from 0 in every document (transformers knows from that which tokens may see each other).
    labels: labels[t] is the token after input_ids[t] in the same document, so already shifted; IGNORE at the
    end of a document and on padding, so that no first token of a document is ever asked for.
    segment_ids: number of the document in the sequence; PADDING_SEGMENT on padding.
    """

    input_ids: Int64
    position_ids: Int64
    labels: Int64
    segment_ids: Int64


class Windows:
    """Which pieces stand in which window: a pure function of (sizes, capacity, seed).

    Each piece goes, in the order given, into the window with the least room that still holds it (best fit; cf. Ding et
    al. 2024, "Fewer Truncations Improve Language Modeling"). Every epoch has the same windows in another order.
    sizes: int64 [pieces], none above `capacity`.
    """

    def __init__(self, sizes: Int64, capacity: int, seed: int) -> None:
        windows = _best_fit(sizes, capacity)
        self._seed = seed
        self._pieces = np.argsort(windows, kind="stable")
        self._bounds = np.concatenate([[0], np.cumsum(np.bincount(windows))])
        self._epoch = -1
        self._permutation = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def pieces(self, index: int) -> Int64:
        """Numbers of the pieces in window `index`, 0 or more; past `len(self)` the next epoch begins."""
        epoch, slot = divmod(index, len(self))
        if epoch != self._epoch:
            self._permutation = np.random.default_rng([self._seed, 1, epoch]).permutation(len(self))
            self._epoch = epoch
        window = int(self._permutation[slot])
        return self._pieces[self._bounds[window] : self._bounds[window + 1]]


class PackedSequences:
    """Windows of `sequence_length` over a store, a pure function of (store, sequence_length, seed).

    Documents are shuffled; one longer than the window is cut into windows in a row, and each rest is packed; see
    `Windows`.
    """

    def __init__(self, store: Documents, sequence_length: int, seed: int) -> None:
        if store.n_documents == 0:
            raise ValueError("no documents to pack")
        self._store, self._length = store, sequence_length
        order = np.random.default_rng([seed, 0]).permutation(store.n_documents)
        lengths = np.array([len(store.document(index)) for index in range(store.n_documents)], dtype=np.int64)[order]
        counts = np.maximum(1, -(-lengths // sequence_length))
        owner = np.repeat(np.arange(len(lengths)), counts)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        begins = nth * sequence_length
        sizes = np.minimum(lengths[owner] - begins, sequence_length)
        self._windows = Windows(sizes, sequence_length, seed)
        self._pieces = np.stack([order[owner], begins, sizes], axis=1)

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def documents(self) -> Documents:
        return self._store

    @property
    def n_tokens(self) -> int:
        return self._store.n_tokens

    @property
    def efficiency(self) -> float:
        """Share of the windows' places that hold a token."""
        return float(self._pieces[:, 2].sum() / (len(self) * self._length))

    def sequence(self, index: int) -> PackedSequence:
        """Sequence `index`, 0 or more; past `len(self)` the next epoch begins."""
        return self._window(self._pieces[self._windows.pieces(index)])

    def _window(self, pieces: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> PackedSequence:
        length = self._length
        input_ids = np.full(length, PADDING, dtype=np.int64)
        labels = np.full(length, IGNORE, dtype=np.int64)
        position_ids = np.zeros(length, dtype=np.int64)
        segment_ids = np.full(length, PADDING_SEGMENT, dtype=np.int64)
        at = 0
        for segment, (index, begin, size) in enumerate(pieces.tolist()):
            # one token more than the piece: a document cut here still teaches what comes next
            ids = self._store.document(index)[begin : begin + size + 1].astype(np.int64)
            input_ids[at : at + size] = ids[:size]
            labels[at : at + len(ids) - 1] = ids[1:]
            position_ids[at : at + size] = np.arange(size)
            segment_ids[at : at + size] = segment
            at += size
        position_ids[at:] = np.arange(length - at)
        return PackedSequence(input_ids, position_ids, labels, segment_ids)


def _best_fit(sizes: Int64, capacity: int) -> Int64:
    """Window of each piece. Rooms are kept as bits of one integer, so finding the least one that fits is fast."""
    windows = np.empty(len(sizes), dtype=np.int64)
    open_windows: list[list[int]] = [[] for _ in range(capacity + 1)]  # by the room they have left
    rooms = 0  # bit r is set when a window has room r
    made = 0
    for number, size in enumerate(sizes.tolist()):
        fitting = rooms >> size if size else 0
        if fitting:
            room = size + (fitting & -fitting).bit_length() - 1
            window = open_windows[room].pop()
            if not open_windows[room]:
                rooms &= ~(1 << room)
        else:
            room, window = capacity, made
            made += 1
        windows[number] = window
        left = room - size
        if left:
            open_windows[left].append(window)
            rooms |= 1 << left
    return windows
