"""Boilerplate goes out of the documents before any is held out: two documents may be one text once it is gone, and are
then looked for again."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lilm.pipeline.hashing import write_json
from lilm.recipe import CorpusConfig
from lilm.train.corpus.blocks import (
    PLACE,
    RANK,
    Block,
    Blocks,
    Keys,
    changed_ranks,
    make_keys,
    save_array,
    save_frame,
)
from lilm.train.corpus.boilerplate.find import Boilerplate
from lilm.train.corpus.boilerplate.frequent import kept
from lilm.train.corpus.boilerplate.lines import counts_of, without_frequent
from lilm.train.corpus.boilerplate.passages import block_runs
from lilm.train.corpus.duplicates.find import Copies
from lilm.train.corpus.finishing.removed import Drops, Removed
from lilm.train.corpus.tally import Tally
from lilm.train.corpus.work import Work


@dataclass(frozen=True)
class CutTask:
    """exact, near: see Copies. drops: file of the documents that go here. folder: for the block that is left."""

    block: Block
    blocks: Blocks
    exact: Path
    near: Path
    boilerplate: Boilerplate
    config: CorpusConfig
    drops: Path
    folder: Path

    @property
    def report(self) -> Path:
        """Written last: when it is there, the block is done."""
        return self.folder / f"{self.block.name}.json"

    @property
    def marks(self) -> Path:
        """Hashes of the different lines that were taken out, uint64 [lines]."""
        return self.folder / f"{self.block.name}.marks.npy"

    @property
    def left(self) -> Block:
        """What is left of the block; its rows and numbers are not known yet."""
        documents, keys = (self.folder / f"{self.block.name}{ending}" for ending in (".parquet", ".npy"))
        return replace(self.block, documents=documents, keys=keys)


@dataclass(frozen=True)
class CutReport:
    """rows: documents left. lines, passages: what was taken out of them. marks: file of the hashes of those lines."""

    lang: str
    rows: int
    tally: Tally
    lines: Removed
    passages: Removed
    marks: Path


def cut_all(work: Work, blocks: Blocks, copies: Copies, boilerplate: Boilerplate) -> tuple[Blocks, list[CutReport]]:
    """Returns blocks of what is left without copies and boilerplate, numbered anew, and what went, block by block. The
    documents of the blocks before go."""
    folder, drops = work.folder / "cut", work.out_dir / "drops"
    folder.mkdir(exist_ok=True)
    drops.mkdir(exist_ok=True)
    tasks = [
        CutTask(
            block,
            blocks,
            copies.exact_file,
            copies.near_file,
            boilerplate,
            work.config,
            drops / f"{block.name}-cut.parquet",
            folder,
        )
        for block in blocks.own
    ]
    reports = work.run("boilerplate", cut_block, tasks)
    work.tally.add(Tally.total(report.tally for report in reports))
    rows = {task.block.first: report.rows for task, report in zip(tasks, reports, strict=True)}
    left = {task.block.first: task.left for task in tasks}
    numbered: list[Block] = []
    first = 0
    for block in blocks.all:
        count = rows.get(block.first, block.rows)
        if count:
            numbered.append(replace(left.get(block.first, block), first=first, rows=count))
        first += count
    return Blocks(tuple(numbered)), reports


def cut_block(task: CutTask) -> CutReport:
    """Returns what `task.report` says. Done work is read back."""
    if not task.report.is_file():
        write_json(task.report, _cut(task))
    task.block.documents.unlink(missing_ok=True)
    found = json.loads(task.report.read_text(encoding="utf-8"))
    lines, passages = Removed(**found["lines"]), Removed(**found["passages"])
    return CutReport(task.block.lang, found["rows"], Tally(**found["tally"]), lines, passages, task.marks)


def _cut(task: CutTask) -> dict[str, Any]:
    """The report's JSON."""
    texts = task.block.texts()
    drops = Drops(task.block, texts)
    rows = np.flatnonzero(drops.copies(task.exact, task.near, task.blocks)).tolist()
    whole = [texts[row] for row in rows]
    lines, passages, marks = _without_boilerplate(task, texts, rows)
    changed = [texts[row] != before for row, before in zip(rows, whole, strict=True)]
    left: list[int] = []
    for row, is_other in zip(rows, changed, strict=True):
        if is_other and len(texts[row]) < task.config.rules.min_chars:
            drops.add(row, "boilerplate_lines", f"{len(texts[row])} characters left < {task.config.rules.min_chars}")
        else:
            left.append(row)
    others = [row for row, is_other in zip(rows, changed, strict=True) if is_other]
    if left:
        save_frame(task.left.documents, pl.DataFrame({"text": [texts[row] for row in left]}))
        save_array(task.left.keys, _keys(task, texts, others)[:, left])
    drops.save(task.drops)
    save_array(task.marks, np.array(sorted(marks), dtype=np.uint64))
    return {
        "rows": len(left),
        "tally": drops.tally.as_json(),
        "lines": asdict(lines),
        "passages": asdict(passages),
    }


def _keys(task: CutTask, texts: Sequence[str], changed: Sequence[int]) -> Keys:
    """The block's keys, those of the changed rows made anew."""
    keys: Keys = np.load(task.block.keys)
    if changed:
        ranks = changed_ranks(keys[RANK, changed], [len(texts[row]) for row in changed])
        keys[:, changed] = make_keys(
            keys[PLACE, changed], [texts[row] for row in changed], ranks, task.config.dedup.near
        )
    return keys


def _without_boilerplate(task: CutTask, texts: list[str], rows: Sequence[int]) -> tuple[Removed, Removed, set[int]]:
    """Take boilerplate out of `texts`, in these rows. Returns what went: lines, other passages, hashes of the lines."""
    lines, passages, marks = Removed(), Removed(), set[int]()
    found, config = task.boilerplate, task.config
    if found.lines is None:
        return lines, passages, marks
    frequent = frozenset(np.load(kept(counts_of(found.lines, task.block)))[0].tolist())
    runs: list[list[tuple[int, int, int]]] = [[] for _ in rows]
    if found.passages is not None:
        chars = config.dedup.substring_chars
        runs = block_runs(found.passages, task.block, [texts[row] for row in rows], chars)
    for row, spans in zip(rows, runs, strict=True):
        if not frequent and not spans:
            continue
        texts[row], gone, cut = without_frequent(texts[row], frequent, config.dedup.line_chars, spans)
        for passage, mark in gone:
            lines.add(passage, mark)
            marks.add(mark)
        for passage, documents in cut:
            passages.add(passage, documents)
    return lines, passages, marks
