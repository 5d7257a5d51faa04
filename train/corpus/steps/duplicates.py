"""Exact and near duplicates over all blocks: the order of their tasks, and what they leave on disk."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lilm.train.corpus.near_duplicates import shape
from lilm.train.corpus.steps.blocks import Block, Blocks, save_array
from lilm.train.corpus.steps.exact import ExactTask, Numbers, all_copies, exact_passes, find_copies
from lilm.train.corpus.steps.near import (
    BandTask,
    SuspectsTask,
    SuspectTexts,
    VerifyTask,
    all_buckets,
    band_passes,
    find_buckets,
    join,
    verify,
    verify_ranges,
    write_suspects,
)

Run = Callable[[str, Callable[[Any], Any], Sequence[Any]], list[Any]]
"""(label, function, tasks) -> answers in the order of the tasks."""


@dataclass(frozen=True)
class Copies:
    """Each [2, copies]: number of the copy (sorted), number of the document kept. The files hold the same."""

    exact: Numbers
    near: Numbers
    exact_file: Path
    near_file: Path


def find_duplicates(blocks: Blocks, threshold: float, memory: int, folder: Path, run: Run) -> Copies:
    """memory: bytes that one task may take. Documents of earlier blocks are never copies."""
    folder.mkdir(parents=True, exist_ok=True)
    exact_file, near_file = folder / "exact.npy", folder / "near.npy"
    if near_file.is_file():
        return Copies(np.load(exact_file), np.load(near_file), exact_file, near_file)
    parts = exact_passes(blocks.documents, memory)
    exact_tasks = [ExactTask(blocks.all, part, parts, folder / f"exact-{part:05d}.npy") for part in range(parts)]
    run("equal texts", find_copies, exact_tasks)
    exact = _sorted(_without_earlier(all_copies(exact_tasks), blocks))
    save_array(exact_file, exact)
    near = np.empty((2, 0), dtype=np.uint64)
    if threshold < 1:
        near = _near(blocks, exact_file, threshold, memory, folder, run)
    save_array(near_file, near)
    shutil.rmtree(folder / "suspects", ignore_errors=True)
    return Copies(exact, near, exact_file, near_file)


def _near(blocks: Blocks, exact: Path, threshold: float, memory: int, folder: Path, run: Run) -> Numbers:
    parts = band_passes(blocks.documents, memory)
    bands = [
        BandTask(blocks.all, exact, band, part, parts, folder / f"band-{band:02d}-{part:05d}.npy")
        for band in range(shape(threshold)[0])
        for part in range(parts)
    ]
    run("alike texts", find_buckets, bands)
    buckets = all_buckets([task.output for task in bands])
    suspects = np.unique(buckets.members)
    names = {name: folder / f"{name}.npy" for name in ("suspects", "members", "offsets")}
    for name, array in (("suspects", suspects), ("members", buckets.members), ("offsets", buckets.offsets)):
        save_array(names[name], array)
    texts = tuple(SuspectsTask(block, names["suspects"], _made(folder / "suspects")) for block in blocks.all)
    run("unpack suspects", write_suspects, texts)
    ranges = verify_ranges(buckets, suspects, SuspectTexts(texts).sizes(), memory)
    checks = [
        VerifyTask(
            names["suspects"], texts, names["members"], names["offsets"], first, last, threshold,
            folder / f"pairs-{number:05d}.npy",
        )
        for number, (first, last) in enumerate(ranges)
    ]  # fmt: skip
    run("compare suspects", verify, checks)
    pairs = [np.load(task.output) for task in checks]
    return join(blocks, suspects, np.concatenate([*pairs, np.empty((2, 0), np.uint64)], axis=1))


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _without_earlier(copies: Numbers, blocks: Blocks) -> Numbers:
    earlier = np.array([block.earlier for block in blocks.all], dtype=bool)
    return copies[:, ~earlier[blocks.of(copies[0])]] if copies.size else copies


def _sorted(copies: Numbers) -> Numbers:
    return copies[:, np.argsort(copies[0], kind="stable")]


def without(block: Block, *copies: Numbers) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Rows of a block that are no copies."""
    alive = np.ones(block.rows, dtype=bool)
    for numbers, _ in copies:
        start, stop = np.searchsorted(numbers, [block.first, block.first + block.rows]).tolist()
        alive[numbers[start:stop].astype(np.int64) - block.first] = False
    return np.flatnonzero(alive)
