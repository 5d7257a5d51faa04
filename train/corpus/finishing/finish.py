"""The last step, block by block: what is left of its documents goes to the corpus, the block goes away."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lilm.documents import Split, write_documents
from lilm.hashing import write_json
from lilm.recipe import CorpusConfig
from lilm.train.corpus.blocks import RANK, Block, Blocks, Column, rank_perplexities, save_array, save_frame
from lilm.train.corpus.boilerplate.frequent import kept
from lilm.train.corpus.boilerplate.lines import counts_of, without_frequent
from lilm.train.corpus.boilerplate.passages import block_runs
from lilm.train.corpus.finishing.heldout import Finder, Passages
from lilm.train.corpus.reading.shard import DROP_COLUMNS
from lilm.train.corpus.sample import sample
from lilm.train.corpus.score import Cuts, bucket_of
from lilm.train.corpus.tally import SAMPLES, Tally, utf8_size


@dataclass(frozen=True)
class Findings:
    """What the steps over all blocks found, as files. exact, near: [2, copies], number of the copy (sorted) and of
    the document kept. frequent: boilerplate lines, [2, lines], with a file for each block beside it; held: numbers of
    held-out documents, sorted; passages: of the held-out documents of the block's language; runs: folder of
    boilerplate that keeps to no line."""

    exact: Path
    near: Path
    frequent: Path | None
    held: Path
    passages: Path
    runs: Path | None = None


@dataclass(frozen=True)
class FinishTask:
    block: Block
    blocks: Blocks
    findings: Findings
    config: CorpusConfig
    cuts: Cuts | None
    out_dir: Path
    work: Path

    @property
    def report(self) -> Path:
        """Written last: when it is there, the block is done."""
        return self.work / f"{self.block.name}.json"

    @property
    def seen(self) -> Path:
        """Which passages of held-out documents stand in this block's training documents, as bools."""
        return self.work / f"{self.block.name}.seen.npy"


def finish_block(task: FinishTask) -> dict[str, Any]:
    """Returns what `task.report` says: tally, figures per split and bucket, boilerplate lines and passages taken
    out."""
    if not task.report.is_file():
        write_json(task.report, _finish(task))
    task.block.documents.unlink(missing_ok=True)
    report: dict[str, Any] = json.loads(task.report.read_text(encoding="utf-8"))
    return report


def _finish(task: FinishTask) -> dict[str, Any]:
    block, tally = task.block, Tally()
    texts = task.block.texts()
    ids = block.ids(range(block.rows))
    drops: list[tuple[str, ...]] = []

    def drop(row: int, rule: str, reason: str) -> None:
        beginning = sample(texts[row])
        tally.drop(rule, ids[row], reason, beginning, utf8_size(texts[row]))
        drops.append((ids[row], block.source, block.lang, rule, reason, beginning))

    sizes = np.array([utf8_size(text) for text in texts], dtype=np.int64)
    alive = np.ones(block.rows, dtype=bool)
    for path, rule, words, step in (
        (task.findings.exact, "exact_duplicate", "copy of", "exact_deduplicated"),
        (task.findings.near, "near_duplicate", "like", "near_deduplicated"),
    ):
        for row, original in _copies(path, block, task.blocks):
            alive[row] = False
            drop(row, rule, f"{words} {original}")
        tally.count(block.source, step, int(alive.sum()), int(sizes[alive].sum()))

    lines, passages, emptied = _without_boilerplate(task, texts, alive)
    for row in emptied:
        alive[row] = False
        drop(row, "boilerplate_lines", f"{len(texts[row])} characters left < {task.config.rules.min_chars}")
    buckets = _buckets(task, np.flatnonzero(alive), drop)
    held = set(_rows(np.load(task.findings.held, mmap_mode="r"), block).tolist())
    finder = Finder(Passages.load(task.findings.passages))
    rows_of: dict[tuple[Split, int], list[int]] = {}
    for row, bucket in buckets.items():
        split: Split = "heldout" if row in held else "train"
        rows_of.setdefault((split, 0 if split == "heldout" else bucket), []).append(row)
        if split == "train":
            finder.look(texts[row])
    figures: dict[str, dict[str, dict[str, int]]] = {"train": {}, "heldout": {}}
    for (split, bucket), rows in sorted(rows_of.items()):
        chosen = [texts[row] for row in rows]
        frame = pl.DataFrame({"id": [ids[row] for row in rows], "source": block.source, "text": chosen})
        write_documents(task.out_dir, block.lang, split, frame, f"{bucket:02d}-{block.name}")
        size = sum(map(utf8_size, chosen))
        figures[split][str(bucket)] = {"documents": len(rows), "characters": sum(map(len, chosen)), "bytes": size}
        tally.count(block.source, "written", len(rows), size)
    path = task.out_dir / "drops" / f"{block.name}.parquet"
    save_frame(path, pl.DataFrame(drops, schema=dict.fromkeys(DROP_COLUMNS, pl.String), orient="row"))
    save_array(task.seen, np.concatenate([finder.grams, finder.lines]))
    return {"tally": tally.as_json(), "figures": figures, "lines": lines, "passages": passages}


def _rows(numbers: Column, block: Block) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    start, stop = np.searchsorted(numbers, [block.first, block.first + block.rows]).tolist()
    return np.array(numbers[start:stop]).astype(np.int64) - block.first


def _copies(path: Path, block: Block, blocks: Blocks) -> list[tuple[int, str]]:
    """(row, id of the document kept) of the block's copies."""
    copies, kept = np.load(path, mmap_mode="r")
    start, stop = np.searchsorted(copies, [block.first, block.first + block.rows]).tolist()
    rows = (np.array(copies[start:stop]).astype(np.int64) - block.first).tolist()
    return list(zip(rows, blocks.ids(np.array(kept[start:stop])), strict=True))


def _without_boilerplate(
    task: FinishTask, texts: list[str], alive: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
) -> tuple[dict[str, Any], dict[str, Any], list[int]]:
    """Take boilerplate out of `texts`. Returns what went: lines, with removed (how many), bytes, samples {line: hash};
    passages, the same with samples {passage: documents}; and the rows of which too little is left."""
    lines: dict[str, Any] = {"removed": 0, "bytes": 0, "samples": {}}
    passages: dict[str, Any] = {"removed": 0, "bytes": 0, "samples": {}}
    emptied: list[int] = []
    findings, config, rows = task.findings, task.config, np.flatnonzero(alive).tolist()
    if findings.frequent is None:
        return lines, passages, emptied
    frequent = frozenset(np.load(kept(counts_of(findings.frequent, task.block)))[0].tolist())
    runs: list[list[tuple[int, int, int]]] = [[] for _ in rows]
    if findings.runs is not None:
        chars = config.dedup.substring_chars
        runs = block_runs(findings.runs, task.block, [texts[row] for row in rows], chars)
    for row, spans in zip(rows, runs, strict=True):
        if not frequent and not spans:
            continue
        texts[row], gone, cut = without_frequent(texts[row], frequent, config.dedup.line_chars, spans)
        for passage, mark in gone:
            _add(lines, passage, mark)
        for passage, documents in cut:
            _add(passages, passage, documents)
        if len(texts[row]) < config.rules.min_chars:
            emptied.append(row)
    return lines, passages, emptied


def _add(answer: dict[str, Any], passage: str, value: int) -> None:
    answer["removed"] += 1
    answer["bytes"] += utf8_size(passage)
    if len(answer["samples"]) < SAMPLES:
        answer["samples"].setdefault(sample(passage.strip()), value)


def _buckets(task: FinishTask, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]", drop: Any) -> dict[int, int]:
    """row -> bucket of the documents that the score leaves."""
    if task.cuts is None:
        return dict.fromkeys(rows.tolist(), 0)
    perplexities = rank_perplexities(task.block.key(RANK)[rows])
    found: dict[int, int] = {}
    for row, perplexity in zip(rows.tolist(), perplexities.tolist(), strict=True):
        bucket = bucket_of(perplexity, task.cuts)
        if bucket is None:
            drop(row, "score", f"perplexity {perplexity:.1f} a character, among the worst {task.config.score.drop:.0%}")
        else:
            found[row] = bucket
    return found
