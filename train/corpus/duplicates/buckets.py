"""Candidates for near duplicates: buckets of documents with the same hash of a band, on disk.

Each pass over the keys holds one range of one band. (MinHash with banding: Broder 1997; Leskovec et al., Mining of
Massive Datasets, chapter 3.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.train.corpus.blocks import BANDS, HASH_HIGH, HASH_LOW, RANK, Block, Column, save_array
from lilm.train.corpus.duplicates.exact import part_of
from lilm.train.corpus.records import CHUNK, Places, Records, Sorter, group_firsts, write_records

BYTES_PER_DOCUMENT = 100  # of a pass: five columns; half of the memory is for them, and parts differ in size
FIRST, MARK, START, SIZE, HEAD = 0, 1, 2, 3, 4  # rows of the heads, see BandTask, and how many these are
STRIDE = 8192  # documents; ranges of first members begin at multiples
MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class BandTask:
    """Documents that are not in `copies` and whose hash in band `band` is in part `part` of `parts`. memory: bytes.

    heads: array [HEAD, buckets], by first member: its number, a hash of all members, where they begin in `members`, and
    how many they are. members: records of the numbers of their documents, best ranked first.
    """

    blocks: tuple[Block, ...]
    copies: Path
    band: int
    part: int
    parts: int
    memory: int
    folder: Path

    @property
    def heads(self) -> Path:
        """Written last: when it is there, the part is done."""
        return self.folder / f"band-{self.band:02d}-{self.part:05d}.npy"

    @property
    def members(self) -> Path:
        return self.heads.with_suffix(".members")


def band_passes(documents: int, memory: int) -> int:
    return max(1, -(-documents * BYTES_PER_DOCUMENT // memory))


def find_buckets(task: BandTask) -> None:
    """Write heads and members of the buckets of two documents and more."""
    if task.heads.is_file():
        return
    copies = np.load(task.copies, mmap_mode="r")[0]
    with Sorter(task.heads, 5, task.memory // 2) as sorter:
        for block in task.blocks:
            hashes = block.key(BANDS + task.band)
            here = part_of(hashes, task.parts) == task.part
            here[block.rows_among(copies)] = False
            rows = np.flatnonzero(here)
            ranks = np.zeros(len(rows), dtype=np.uint64) if block.earlier else block.key(RANK)[rows]
            numbers = block.numbers(rows)
            keys = [hashes[rows], ranks, block.key(HASH_LOW)[rows], block.key(HASH_HIGH)[rows], numbers]
            sorter.add(np.stack(keys, axis=1))
        _write_buckets(sorter.sorted(), task)


def _write_buckets(records: Records, task: BandTask) -> None:
    """records: sorted by hash, then best first, then number in the last column."""
    starts = [firsts[firsts == np.arange(at, at + len(firsts))] for at, firsts in group_firsts(records, 1)]
    begin = np.concatenate([*starts, np.empty(0, np.int64)])
    sizes = np.diff(begin, append=len(records))
    begin, sizes = begin[sizes > 1], sizes[sizes > 1]
    firsts = np.array(records[begin, -1])
    order = np.argsort(firsts)
    begin, sizes, firsts = begin[order], sizes[order], firsts[order]
    marks = sizes.astype(np.uint64) * MIX
    with write_records(task.members) as writer:
        for owners, places in spread(begin, sizes):
            members = np.array(records[places, -1])
            writer.write(members)
            new = np.flatnonzero(np.diff(owners, prepend=-1))
            marks[owners[new]] += np.add.reduceat(_mixed(members), new)
    where = np.cumsum(sizes) - sizes
    save_array(task.heads, np.stack([firsts, marks, where.astype(np.uint64), sizes.astype(np.uint64)]))


def _mixed(numbers: Column) -> Column:
    """splitmix64 of each: sums of what is less mixed are the same for {1, 4} and {2, 3}."""
    mixed = (numbers + np.uint64(1)) * MIX
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def spread(starts: Places, sizes: Places) -> Iterator[tuple[Places, Places]]:
    """Spans `starts` to `starts + sizes` place by place, CHUNK places at once: which span, and the place."""
    ends = np.cumsum(sizes)
    shifts = ends - sizes - starts
    for at in range(0, int(ends[-1]) if len(ends) else 0, CHUNK):
        places = np.arange(at, min(at + CHUNK, int(ends[-1])))
        owners = np.searchsorted(ends, places, side="right")
        yield owners, places - shifts[owners]


def first_ranges(bands: Sequence[BandTask], documents: int, buckets: int, members: int) -> list[tuple[int, int]]:
    """Ranges of documents' numbers: what begins with one of a range is at most so many buckets and members, or as
    much as STRIDE documents begin. Ranges in which nothing begins are left out."""
    edges = np.arange(0, documents + STRIDE, STRIDE, dtype=np.uint64)
    counts = np.zeros((2, len(edges) - 1), dtype=np.int64)
    for band in bands:
        heads = np.load(band.heads, mmap_mode="r")
        at = np.searchsorted(heads[FIRST], edges)
        before = np.concatenate([[0], np.cumsum(heads[SIZE].astype(np.int64))])
        counts += np.stack([np.diff(at), np.diff(before[at])])
    ranges, first, held = [], 0, np.zeros(2, dtype=np.int64)
    for index, more in enumerate(counts.T):
        if held.any() and (held + more > (buckets, members)).any():
            ranges.append((first * STRIDE, index * STRIDE))
            first, held = index, np.zeros(2, dtype=np.int64)
        held = held + more
    if held.any():
        ranges.append((first * STRIDE, len(counts.T) * STRIDE))
    return ranges
