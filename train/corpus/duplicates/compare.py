"""Buckets on disk verified by true Jaccard similarity. Each is verified on its own, so what is found depends on the
documents alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.train.corpus.blocks import Column
from lilm.train.corpus.duplicates.buckets import FIRST, HEAD, MARK, SIZE, START, BandTask, spread
from lilm.train.corpus.duplicates.minhash import verified_pairs
from lilm.train.corpus.duplicates.suspects import SuspectsTask, SuspectTexts
from lilm.train.corpus.records import Places, read_records, write_records

BYTES_PER_BUCKET = 300  # heads, their order, pieces
BYTES_PER_MEMBER = 500  # numbers, and what refers to its text
SLICE = 50_000  # members of a bucket verified at once; the first of all is in every slice


@dataclass(frozen=True)
class CompareTask:
    """Buckets whose first member's number is from `first` to `last` (excluded). memory: bytes."""

    bands: tuple[BandTask, ...]
    texts: tuple[SuspectsTask, ...]
    first: int
    last: int
    threshold: float
    memory: int
    output: Path


@dataclass(frozen=True)
class _Pieces:
    """Parts of buckets, of SLICE members at most, in columns of the length [parts].

    band: int64, the band that the bucket is of. start, size: int64, which of the band's members the part has. first:
    uint64, the bucket's first member. later: bool, whether the part begins behind it, and so has it besides.
    """

    band: Places
    start: Places
    size: Places
    first: Column
    later: "np.ndarray[tuple[int], np.dtype[np.bool_]]"

    @property
    def members(self) -> Places:
        return self.size + self.later


def compare(task: CompareTask) -> None:
    """Write the verified pairs as records: numbers of the better and of the worse document."""
    if task.output.is_file():
        return
    pieces, store = _pieces(task), SuspectTexts(task.texts)
    with write_records(task.output) as writer:
        for first, last in _batches(pieces.members, task.memory // 2 // BYTES_PER_MEMBER):
            members = _members(task, pieces, first, last)
            offsets = np.concatenate([[0], np.cumsum(pieces.members[first:last])]).astype(np.uint64)
            numbers, local = np.unique(members, return_inverse=True)
            pairs = verified_pairs(store.of(numbers), local.astype(np.uint32), offsets, task.threshold)
            different = np.unique(pairs.astype(np.uint64) @ np.array([1 << 32, 1], dtype=np.uint64))
            ends = np.stack([different >> np.uint64(32), different & np.uint64(0xFFFFFFFF)], axis=1)
            writer.write(numbers[ends.astype(np.int64)])


def _pieces(task: CompareTask) -> _Pieces:
    """Each bucket once, however many bands found it; huge ones in slices."""
    found = [np.empty((HEAD + 1, 0), dtype=np.uint64)]
    for band, one in enumerate(task.bands):
        heads = np.load(one.heads, mmap_mode="r")
        start, stop = np.searchsorted(heads[FIRST], [task.first, task.last]).tolist()
        found.append(np.append(heads[:, start:stop], np.full((1, stop - start), band, dtype=np.uint64), axis=0))
    heads = np.concatenate(found, axis=1)
    heads = heads[:, np.lexsort((heads[HEAD], heads[MARK], heads[SIZE], heads[FIRST]))]
    keys = heads[[FIRST, SIZE, MARK]]
    new = np.ones(heads.shape[1], dtype=bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    heads = heads[:, new]
    sizes = heads[SIZE].astype(np.int64)
    slices = np.where(sizes > SLICE, 1 - (SLICE - sizes) // (SLICE - 1), 1)
    owners = np.repeat(np.arange(len(sizes)), slices)
    number = np.arange(len(owners)) - np.repeat(np.cumsum(slices) - slices, slices)
    later = number > 0
    begin = np.where(later, SLICE + (number - 1) * (SLICE - 1), 0)
    size = np.minimum(sizes[owners] - begin, np.where(later, SLICE - 1, SLICE))
    band, start = heads[HEAD, owners].astype(np.int64), heads[START, owners].astype(np.int64) + begin
    return _Pieces(band, start, size, heads[FIRST, owners], later)


def _batches(members: Places, room: int) -> Iterator[tuple[int, int]]:
    """Ranges of pieces that have `room` members at most together; a single piece may have more."""
    ends = np.concatenate([[0], np.cumsum(members)])
    first = 0
    while first < len(members):
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + room, side="right")) - 1)
        yield first, last
        first = last


def _members(task: CompareTask, pieces: _Pieces, first: int, last: int) -> Column:
    """Returns the members of the pieces `first` to `last`, end to end."""
    own = slice(first, last)
    ends = np.cumsum(pieces.members[own])
    members = np.empty(int(ends[-1]), dtype=np.uint64)
    where = ends - pieces.size[own]
    for band in np.unique(pieces.band[own]).tolist():
        here = np.flatnonzero(pieces.band[own] == band)
        numbers = read_records(task.bands[band].members, 1)[:, 0]
        targets = spread(where[here], pieces.size[own][here])
        for (_, source), (_, target) in zip(
            spread(pieces.start[own][here], pieces.size[own][here]), targets, strict=True
        ):
            members[target] = numbers[source]
    later = pieces.later[own]
    members[(where - 1)[later]] = pieces.first[own][later]
    return members
