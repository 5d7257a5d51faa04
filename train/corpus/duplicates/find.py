"""Exact and near duplicates over all blocks, and what they leave on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.train.corpus.blocks import Block, Blocks, Run, save_array
from lilm.train.corpus.duplicates.exact import ExactTask, Numbers, exact_passes, find_copies, save_copies
from lilm.train.corpus.duplicates.near import save_near
from lilm.train.corpus.records import Places


@dataclass(frozen=True)
class Copies:
    """Each [2, copies]: number of the copy (sorted), number of the document kept. They are the files, memory-mapped."""

    exact: Numbers
    near: Numbers
    exact_file: Path
    near_file: Path


def find_duplicates(blocks: Blocks, threshold: float, memory: int, folder: Path, run: Run) -> Copies:
    """memory: bytes that one task may take, however many documents there are. Documents of earlier blocks are never
    copies."""
    folder.mkdir(parents=True, exist_ok=True)
    exact_file, near_file = folder / "exact.npy", folder / "near.npy"
    if not exact_file.is_file():
        parts = exact_passes(blocks.documents, memory)
        tasks = [ExactTask(blocks.all, part, parts, memory, folder / f"exact-{part:05d}") for part in range(parts)]
        run("equal texts", find_copies, tasks)
        save_copies(tasks, memory, exact_file)
    if not near_file.is_file():
        if threshold < 1:
            save_near(blocks, exact_file, threshold, memory, near_file, run)
        else:
            save_array(near_file, np.empty((2, 0), dtype=np.uint64))
    return Copies(np.load(exact_file, mmap_mode="r"), np.load(near_file, mmap_mode="r"), exact_file, near_file)


def without(block: Block, *copies: Numbers) -> Places:
    """Rows of a block that are no copies."""
    alive = np.ones(block.rows, dtype=bool)
    for numbers, _ in copies:
        alive[block.rows_among(numbers)] = False
    return np.flatnonzero(alive)
