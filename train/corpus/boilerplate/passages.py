"""Boilerplate that keeps to no line: the same run of characters in many documents otherwise different. Counted as
lines are, in two rounds: fingerprints tell where there are runs, the n-grams around these where they begin and end."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lilm.recipe import DedupConfig
from lilm.train.corpus.blocks import Block, Run, save_array
from lilm.train.corpus.boilerplate.frequent import count_hashes, kept, save_frequent
from lilm.train.corpus.boilerplate.substrings import Counts, Substrings
from lilm.train.corpus.duplicates.find import Copies, without

NONE: Counts = np.empty((2, 0), dtype=np.uint64)


@dataclass(frozen=True)
class PassagesTask:
    """Documents of a block that are in none of the files `copies` ([2, copies], see Copies). frequent: the block's
    fingerprints, for the second round; None: the first one."""

    block: Block
    copies: tuple[Path, ...]
    chars: int
    output: Path
    frequent: Path | None = None


def count_passages(task: PassagesTask) -> None:
    """Write [2, hashes]: hash of a fingerprint, or of an n-gram, and number of documents, sorted by hash."""
    if task.output.is_file():
        return
    frequent = NONE if task.frequent is None else np.load(task.frequent)
    if task.frequent is not None and not frequent.size:
        save_array(task.output, NONE)
        return
    rows = without(task.block, *(np.load(path, mmap_mode="r") for path in task.copies))
    texts, find = task.block.texts(), Substrings(task.chars)
    texts = [texts[row] for row in rows.tolist()]
    found = find.fingerprints(texts) if task.frequent is None else find.grams(texts, frequent)
    save_array(task.output, count_hashes([found]))


def find_passages(
    blocks: list[Block], copies: Copies, config: DedupConfig, memory: int, folder: Path, run: Run
) -> Path:
    """Folder of what tells, block by block, the runs of `config.substring_chars` characters and more that stand in
    `config.line_documents` documents or more; `block_runs` reads it."""
    files = (copies.exact_file, copies.near_file)
    first = [PassagesTask(block, files, config.substring_chars, _fingerprints(folder, block)) for block in blocks]
    second = [
        replace(task, output=_grams(folder, task.block), frequent=kept(_fingerprints(folder, task.block)))
        for task in first
    ]
    for name, label, tasks in (("fingerprints", "fingerprints", first), ("grams", "passages", second)):
        found = folder / f"{name}.npy"
        if not found.is_file():
            tasks[0].output.parent.mkdir(parents=True, exist_ok=True)
            run(label, count_passages, tasks)
            save_frequent([task.output for task in tasks], config.line_documents, memory, found, run)
    return folder


def block_runs(folder: Path, block: Block, texts: list[str], chars: int) -> list[list[tuple[int, int, int]]]:
    """Returns, for each text of a block, (from, to, documents) of its runs; see Substrings.runs."""
    frequent = np.load(kept(_fingerprints(folder, block)))
    if not frequent.size:
        return [[] for _ in texts]
    return Substrings(chars).runs(texts, frequent, np.load(kept(_grams(folder, block))))


def _fingerprints(folder: Path, block: Block) -> Path:
    return folder / "fingerprints" / f"{block.name}.npy"


def _grams(folder: Path, block: Block) -> Path:
    return folder / "grams" / f"{block.name}.npy"
