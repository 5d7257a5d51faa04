"""Equal texts, found by their 128-bit hashes in as many passes over the keys as the memory asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.train.corpus.steps.blocks import HASH_HIGH, HASH_LOW, Block, save_array

BYTES_PER_DOCUMENT = 100  # of a pass: hash, number, the sort's copies
Numbers = np.ndarray[tuple[int, int], np.dtype[np.uint64]]


@dataclass(frozen=True)
class ExactTask:
    """Documents whose hash is in part `part` of `parts`."""

    blocks: tuple[Block, ...]
    part: int
    parts: int
    output: Path


def exact_passes(documents: int, memory: int) -> int:
    return max(1, -(-documents * BYTES_PER_DOCUMENT // memory))


def find_copies(task: ExactTask) -> None:
    """Write [2, copies]: the number of each copy, and of the document kept, which is the first of its kind."""
    if task.output.is_file():
        return
    found = []
    for block in task.blocks:
        low, high = block.key(HASH_LOW), block.key(HASH_HIGH)
        here = np.flatnonzero(part_of(low, task.parts) == task.part)
        found.append(np.stack([low[here], high[here], here.astype(np.uint64) + np.uint64(block.first)]))
    low, high, numbers = np.concatenate(found, axis=1) if found else np.empty((3, 0), dtype=np.uint64)
    order = np.lexsort((numbers, high, low))
    low, high, numbers = low[order], high[order], numbers[order]
    same = np.concatenate([[False], (low[1:] == low[:-1]) & (high[1:] == high[:-1])]) if len(low) else np.empty(0, bool)
    starts = np.maximum.accumulate(np.where(same, 0, np.arange(len(low))))
    save_array(task.output, np.stack([numbers[same], numbers[starts[same]]]))


def part_of(
    hashes: "np.ndarray[tuple[int], np.dtype[np.uint64]]", parts: int
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Which of `parts` equal ranges each hash is in."""
    return ((hashes >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.int64)


def all_copies(tasks: Sequence[ExactTask]) -> Numbers:
    return np.concatenate([np.load(task.output) for task in tasks], axis=1)
