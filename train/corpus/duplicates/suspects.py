"""Texts of the documents that stand in a bucket, unpacked for random access."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.train.corpus.blocks import Block, Column
from lilm.train.corpus.records import chunks, read_records, write_records

GROUPS = 64  # files of texts, all open at once where they are read; no more than that are unpacked at once


@dataclass(frozen=True)
class SuspectsTask:
    """Texts of those documents of blocks in a row that are marked in `marks`, a byte for each document of all."""

    blocks: tuple[Block, ...]
    marks: Path
    texts: Path

    @property
    def ends(self) -> Path:
        """Where the text of each document ends, a record each. Written last: when it is there, the task is done."""
        return self.texts.with_suffix(".ends")


def mark_suspects(members: Sequence[Path], documents: int, path: Path) -> None:
    """Write a byte for each document: 1 where its number is among those in the files `members`."""
    with path.open("wb") as file:
        file.truncate(max(1, documents))
    marks = np.memmap(path, dtype=np.uint8, mode="r+")
    for one in members:
        for numbers in chunks(read_records(one, 1)):
            marks[numbers[:, 0].astype(np.int64)] = 1
    marks.flush()


def suspects_tasks(blocks: tuple[Block, ...], marks: Path, folder: Path) -> tuple[SuspectsTask, ...]:
    size = max(1, -(-len(blocks) // GROUPS))
    groups = [blocks[at : at + size] for at in range(0, len(blocks), size)]
    return tuple(SuspectsTask(group, marks, folder / f"{at:02d}.texts") for at, group in enumerate(groups))


def write_suspects(task: SuspectsTask) -> None:
    """Write the texts end to end as UTF-8, and their ends."""
    if task.ends.is_file():
        return
    marks = np.memmap(task.marks, dtype=np.uint8, mode="r")
    at = 0
    with task.texts.open("wb") as file, write_records(task.ends) as ends:
        for block in task.blocks:
            rows = np.flatnonzero(marks[block.first : block.first + block.rows])
            texts = block.texts() if len(rows) else []
            sizes = np.zeros(block.rows, dtype=np.uint64)
            for row in rows.tolist():
                sizes[row] = file.write(texts[row].encode("utf-8", errors="surrogatepass"))
            ends.write(np.cumsum(sizes) + np.uint64(at))
            at += int(sizes.sum())


class SuspectTexts:
    """Texts of suspects by their number, memory-mapped."""

    def __init__(self, tasks: Sequence[SuspectsTask]) -> None:
        self._firsts = np.array([task.blocks[0].first for task in tasks], dtype=np.uint64)
        self._ends = [read_records(task.ends, 1)[:, 0] for task in tasks]
        self._texts = [
            memoryview(np.memmap(task.texts, dtype=np.uint8, mode="r").data if task.texts.stat().st_size else b"")
            for task in tasks
        ]

    def of(self, numbers: Column) -> list[memoryview]:
        """UTF-8 of each; nothing of it is read yet. numbers: sorted."""
        found: list[memoryview] = []
        edges = np.searchsorted(numbers, self._firsts).tolist()
        for group, (start, stop) in enumerate(zip(edges, [*edges[1:], len(numbers)], strict=True)):
            rows = (numbers[start:stop] - self._firsts[group]).astype(np.int64)
            ends, texts = self._ends[group], self._texts[group]
            before = np.where(rows > 0, ends[rows - 1], 0).tolist() if len(rows) else []
            found += [texts[at:end] for at, end in zip(before, ends[rows].tolist(), strict=True)]
        return found
