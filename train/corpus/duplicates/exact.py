"""Equal texts, found by their 128-bit hashes in as many passes over the keys as the memory asks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.train.corpus.blocks import HASH_HIGH, HASH_LOW, Block, Blocks
from lilm.train.corpus.records import Sorter, group_firsts, read_records, save_columns, write_records

BYTES_PER_DOCUMENT = 60  # of a pass: hash and number; half of the memory is for them, and parts differ in size
Numbers = np.ndarray[tuple[int, int], np.dtype[np.uint64]]


@dataclass(frozen=True)
class ExactTask:
    """Documents whose hash is in part `part` of `parts`. memory: bytes."""

    blocks: tuple[Block, ...]
    part: int
    parts: int
    memory: int
    output: Path


def exact_passes(documents: int, memory: int) -> int:
    return max(1, -(-documents * BYTES_PER_DOCUMENT // memory))


def find_copies(task: ExactTask) -> None:
    """Write records: the number of each copy, and of the document kept, which is the first of its kind. Documents of
    earlier blocks are never copies."""
    if task.output.is_file():
        return
    blocks = Blocks(task.blocks)
    with Sorter(task.output, 3, task.memory // 2) as sorter, write_records(task.output) as writer:
        for block in blocks.all:
            low = block.key(HASH_LOW)
            here = np.flatnonzero(part_of(low, task.parts) == task.part)
            numbers = block.numbers(here)
            sorter.add(np.stack([low[here], block.key(HASH_HIGH)[here], numbers], axis=1))
        records = sorter.sorted()
        for start, firsts in group_firsts(records, 2):
            rows = np.flatnonzero(firsts != np.arange(start, start + len(firsts)))
            copies = records[start + rows, 2]
            found = np.stack([copies, records[firsts[rows], 2]], axis=1)
            writer.write(found[~blocks.earlier(copies)])


def part_of(
    hashes: "np.ndarray[tuple[int], np.dtype[np.uint64]]", parts: int
) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Which of `parts` equal ranges each hash is in."""
    return ((hashes >> np.uint64(32)) * np.uint64(parts) >> np.uint64(32)).astype(np.int64)


def save_copies(tasks: Sequence[ExactTask], memory: int, path: Path) -> None:
    """What the tasks found as one array [2, copies], by number of the copy; their files go."""
    with Sorter(path, 2, memory) as sorter:
        for task in tasks:
            sorter.add(read_records(task.output, 2))
        save_columns(path, [sorter.sorted().T])
    for task in tasks:
        task.output.unlink()
