"""What stands in many documents, by its hash: counted block by block, added up range of hashes after range."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.train.corpus.blocks import Column, Run, save_array
from lilm.train.corpus.duplicates.exact import Numbers
from lilm.train.corpus.records import save_columns

BYTES_PER_HASH = 60  # of a pass: hash, count, the sort's copies


@dataclass(frozen=True)
class FrequentTask:
    """Hashes in part `part` of `parts`. counts: files of blocks, [2, hashes]: hash (sorted) and documents."""

    counts: tuple[Path, ...]
    part: int
    parts: int
    documents: int
    output: Path


@dataclass(frozen=True)
class KeepTask:
    """The hashes of one block's `counts` that are in `frequent`."""

    counts: Path
    frequent: Path
    output: Path


def count_hashes(hashes: Sequence[Column]) -> Numbers:
    """[2, hashes]: hash (sorted) and documents. hashes: the different ones of each document."""
    found, counts = np.unique(np.concatenate([*hashes, np.empty(0, np.uint64)]), return_counts=True)
    return np.stack([found, counts.astype(np.uint64)])


def frequent_passes(counts: Sequence[Path], memory: int) -> int:
    hashes = sum(int(np.load(path, mmap_mode="r").shape[1]) for path in counts)
    return max(1, -(-hashes * BYTES_PER_HASH // memory))


def find_frequent(task: FrequentTask) -> None:
    """Write [2, hashes]: hash and documents of those that stand in `documents` or more, sorted by hash."""
    if task.output.is_file():
        return
    first, last = (-(-(part << 32) // task.parts) << 32 for part in (task.part, task.part + 1))
    parts = [np.empty((2, 0), dtype=np.uint64)]
    for path in task.counts:
        counted = np.load(path, mmap_mode="r")
        start = int(np.searchsorted(counted[0], np.uint64(first)))
        stop = counted.shape[1] if last >> 64 else int(np.searchsorted(counted[0], np.uint64(last)))
        parts.append(counted[:, start:stop])
    hashes, documents = np.concatenate(parts, axis=1)
    order = np.argsort(hashes, kind="stable")
    hashes, documents = hashes[order], documents[order]
    distinct, starts = np.unique(hashes, return_index=True)
    totals = np.add.reduceat(documents, starts) if len(starts) else documents
    often = totals >= task.documents
    save_array(task.output, np.stack([distinct[often], totals[often]]))


def keep_frequent(task: KeepTask) -> None:
    """Write [2, hashes]: hash and documents (of all blocks) of the block's frequent hashes, sorted by hash."""
    if task.output.is_file():
        return
    hashes, frequent = np.load(task.counts)[0], np.load(task.frequent, mmap_mode="r")
    at = np.searchsorted(frequent[0], hashes)
    at = at[at < frequent.shape[1]]
    save_array(task.output, frequent[:, at[frequent[0, at] == hashes[: len(at)]]])


def kept(counts: Path) -> Path:
    """Where `save_frequent` leaves the block's share."""
    return counts.with_suffix(".frequent.npy")


def save_frequent(counts: Sequence[Path], documents: int, memory: int, path: Path, run: Run) -> None:
    """Write [2, hashes]: hash and documents of what stands in `documents` or more, sorted by hash; and in `kept` of
    each of `counts` what of it stands there. The counts go."""
    parts = frequent_passes(counts, memory)
    finding = [
        FrequentTask(tuple(counts), part, parts, documents, path.with_name(f"{path.stem}-{part:05d}.npy"))
        for part in range(parts)
    ]
    run(f"{path.stem} passages", find_frequent, finding)
    whole = path.with_name(f"{path.stem}-all.npy")
    save_columns(whole, [task.output for task in finding])
    run(f"{path.stem} passages of blocks", keep_frequent, [KeepTask(one, whole, kept(one)) for one in counts])
    whole.replace(path)
    for one in [*counts, *(task.output for task in finding)]:
        one.unlink()
