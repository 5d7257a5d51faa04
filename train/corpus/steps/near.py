"""Near duplicates on disk: buckets of equal band hashes, verified by true Jaccard similarity, joined to clusters.

Each pass over the keys holds one range of one band; each verification the texts of some buckets. Neither knows of the
others, so the clusters depend on the documents alone. (MinHash with banding: Broder 1997; Leskovec et al., Mining of
Massive Datasets, chapter 3.)
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.train.corpus.near_duplicates import clusters, groups, verified_pairs
from lilm.train.corpus.steps.blocks import BANDS, HASH_HIGH, HASH_LOW, RANK, Block, Blocks, Column, save_array
from lilm.train.corpus.steps.exact import Numbers, part_of

BYTES_PER_DOCUMENT = 150  # of a pass over one band: keys, numbers, the sort's copies
SLICE = 50_000  # members of a bucket verified at once; the first of all is in every slice
MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class BandTask:
    """Documents that are not in `copies` and whose hash in band `band` is in part `part` of `parts`."""

    blocks: tuple[Block, ...]
    copies: Path
    band: int
    part: int
    parts: int
    output: Path


def band_passes(documents: int, memory: int) -> int:
    return max(1, -(-documents * BYTES_PER_DOCUMENT // memory))


def find_buckets(task: BandTask) -> None:
    """Write members and sizes of the buckets, as one uint64 array: how many, their sizes, their members (best ranked
    first)."""
    if task.output.is_file():
        return
    copies = np.load(task.copies, mmap_mode="r")[0]
    found = [np.empty((5, 0), dtype=np.uint64)]
    for block in task.blocks:
        hashes = block.key(BANDS + task.band)
        here = part_of(hashes, task.parts) == task.part
        here[_in_block(copies, block)] = False
        rows = np.flatnonzero(here)
        ranks = np.zeros(len(rows), dtype=np.uint64) if block.earlier else block.key(RANK)[rows]
        numbers = rows.astype(np.uint64) + np.uint64(block.first)
        found.append(np.stack([hashes[rows], ranks, block.key(HASH_LOW)[rows], block.key(HASH_HIGH)[rows], numbers]))
    hashes, ranks, low, high, numbers = np.concatenate(found, axis=1)
    order = np.lexsort((high, low, ranks)).astype(np.uint32)
    members, offsets = groups(hashes, order)
    sizes = np.diff(offsets).astype(np.uint64)
    save_array(task.output, np.concatenate([[np.uint64(len(sizes))], sizes, numbers[members]]).astype(np.uint64))


def _in_block(copies: Column, block: Block) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Rows of a block among the sorted numbers `copies`."""
    start, stop = np.searchsorted(copies, [block.first, block.first + block.rows]).tolist()
    return np.array(copies[start:stop]).astype(np.int64) - block.first


@dataclass(frozen=True)
class Buckets:
    """members: numbers of documents, bucket after bucket; offsets: where each begins, [buckets + 1]."""

    members: Column
    offsets: Column


def all_buckets(outputs: list[Path]) -> Buckets:
    """Each bucket once, however many bands found it; huge ones in slices."""
    sizes_of, members_of = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
    for output in outputs:
        data = np.load(output)
        count = int(data[0])
        sizes_of.append(data[1 : count + 1])
        members_of.append(data[count + 1 :])
    sizes, members = np.concatenate(sizes_of).astype(np.int64), np.concatenate(members_of)
    starts = np.cumsum(sizes) - sizes
    mixed = (members ^ (members >> np.uint64(29))) * MIX
    marks = np.add.reduceat(mixed, starts) if len(sizes) else mixed
    _, first = np.unique(marks ^ (sizes.astype(np.uint64) * MIX), return_index=True)
    chosen: list[Column] = []
    for index in np.sort(first).tolist():
        bucket = members[starts[index] : starts[index] + sizes[index]]
        chosen.append(bucket[:SLICE])
        for at in range(SLICE, len(bucket), SLICE - 1):
            chosen.append(np.concatenate([bucket[:1], bucket[at : at + SLICE - 1]]))
    offsets = np.concatenate([[0], np.cumsum([len(bucket) for bucket in chosen])]).astype(np.uint64)
    return Buckets(np.concatenate([*chosen, np.empty(0, np.uint64)]), offsets)


@dataclass(frozen=True)
class SuspectsTask:
    """Texts of those documents of a block that are in `suspects` (sorted numbers), for random access."""

    block: Block
    suspects: Path
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / f"{self.block.name}.bin"

    @property
    def ends(self) -> Path:
        return self.folder / f"{self.block.name}.npy"


def write_suspects(task: SuspectsTask) -> None:
    """Write the texts end to end as UTF-8 and where each ends, uint64 [suspects of the block]; the ends last."""
    if task.ends.is_file():
        return
    rows = _in_block(np.load(task.suspects, mmap_mode="r"), task.block)
    ends, at = [], 0
    with task.data.open("wb") as file:
        texts = task.block.texts() if len(rows) else []
        for row in rows.tolist():
            at += file.write(texts[row].encode("utf-8", errors="surrogatepass"))
            ends.append(at)
    save_array(task.ends, np.array(ends, dtype=np.uint64))


class SuspectTexts:
    """Texts of suspects by their index among all suspects, memory-mapped."""

    def __init__(self, tasks: tuple[SuspectsTask, ...]) -> None:
        self._data, firsts = [], [0]
        self._ends = [np.load(task.ends) for task in tasks]
        for task, ends in zip(tasks, self._ends, strict=True):
            empty = np.empty(0, dtype=np.uint8)
            self._data.append(np.memmap(task.data, dtype=np.uint8, mode="r") if len(ends) and ends[-1] else empty)
            firsts.append(firsts[-1] + len(ends))
        self._firsts = np.array(firsts)

    def sizes(self) -> Column:
        """UTF-8 bytes of each, [suspects]."""
        parts = [np.diff(ends, prepend=np.uint64(0)) for ends in self._ends]
        return np.concatenate([*parts, np.empty(0, np.uint64)])

    def text(self, index: int) -> bytes:
        block = int(np.searchsorted(self._firsts, index, side="right")) - 1
        row = index - int(self._firsts[block])
        start = int(self._ends[block][row - 1]) if row else 0
        return self._data[block][start : int(self._ends[block][row])].tobytes()


@dataclass(frozen=True)
class VerifyTask:
    """Buckets `first` to `last` (excluded) of those in `members` and `offsets`."""

    suspects: Path
    texts: tuple[SuspectsTask, ...]
    members: Path
    offsets: Path
    first: int
    last: int
    threshold: float
    output: Path


def verify(task: VerifyTask) -> None:
    """Write the verified pairs, uint64 [2, pairs]: numbers of the better and of the worse document."""
    if task.output.is_file():
        return
    offsets = np.load(task.offsets, mmap_mode="r")[task.first : task.last + 1]
    members = np.array(np.load(task.members, mmap_mode="r")[int(offsets[0]) : int(offsets[-1])])
    suspects = np.load(task.suspects, mmap_mode="r")
    numbers, local = np.unique(members, return_inverse=True)
    store = SuspectTexts(task.texts)
    texts = [store.text(index) for index in np.searchsorted(suspects, numbers).tolist()]
    pairs = verified_pairs(texts, local.astype(np.uint32), (offsets - offsets[0]).astype(np.uint64), task.threshold)
    save_array(task.output, numbers[pairs.T.astype(np.int64)].reshape(2, -1))


def verify_ranges(buckets: Buckets, suspects: Column, sizes: Column, memory: int) -> list[tuple[int, int]]:
    """Ranges of buckets whose texts (4 times: bytes, hashes) fit into `memory`; a single bucket may exceed it."""
    weight = np.cumsum(sizes[np.searchsorted(suspects, buckets.members)].astype(np.int64) * 4)
    ends = np.concatenate([[0], weight])[buckets.offsets.astype(np.int64)]
    ranges, first = [], 0
    while first < len(ends) - 1:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + memory, side="right")) - 1)
        ranges.append((first, last))
        first = last
    return ranges


def join(blocks: Blocks, suspects: Column, pairs: Numbers) -> Numbers:
    """[2, copies]: numbers of the documents that go, sorted, and of the one kept of each cluster: the best ranked."""
    keys = np.zeros((3, len(suspects)), dtype=np.uint64)
    owners = blocks.of(suspects)
    for index in np.unique(owners).tolist():
        block, here = blocks.all[index], np.flatnonzero(owners == index)
        rows = (suspects[here] - np.uint64(block.first)).astype(np.int64)
        for place, key in enumerate((RANK, HASH_LOW, HASH_HIGH)):
            keys[place, here] = 0 if block.earlier and key == RANK else block.key(key)[rows]
    order = np.lexsort((keys[2], keys[1], keys[0]))  # position -> suspect, best first
    position = np.empty(len(suspects), dtype=np.uint32)
    position[order] = np.arange(len(suspects), dtype=np.uint32)
    edges = position[np.searchsorted(suspects, pairs)].T if pairs.size else np.empty((0, 2), dtype=np.uint32)
    leaders = clusters(len(suspects), edges)
    copies = np.flatnonzero(leaders != np.arange(len(suspects)))
    numbers = np.stack([suspects[order[copies]], suspects[order[leaders[copies]]]])
    earlier = np.array([blocks.all[index].earlier for index in blocks.of(numbers[0]).tolist()], dtype=bool)
    numbers = numbers[:, ~earlier]
    return numbers[:, np.argsort(numbers[0])]
