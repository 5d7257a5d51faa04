"""The last step, block by block: what is left of its documents goes to the corpus, the block goes away."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lilm.documents import Split, write_documents
from lilm.pipeline.hashing import write_json
from lilm.recipe import CorpusConfig
from lilm.train.corpus.blocks import RANK, Block, Blocks, rank_perplexities, save_array, save_frame
from lilm.train.corpus.boilerplate.find import Boilerplate
from lilm.train.corpus.boilerplate.frequent import kept
from lilm.train.corpus.boilerplate.lines import counts_of, without_frequent
from lilm.train.corpus.boilerplate.passages import block_runs
from lilm.train.corpus.duplicates.find import Copies
from lilm.train.corpus.finishing.cuts import ScoreCuts
from lilm.train.corpus.finishing.heldout import Finder, Passages
from lilm.train.corpus.finishing.split import Held
from lilm.train.corpus.reading.shard import DROP_COLUMNS
from lilm.train.corpus.sample import sample
from lilm.train.corpus.score import Cuts, bucket_of
from lilm.train.corpus.tally import SAMPLES, Tally, utf8_size
from lilm.train.corpus.work import Work


@dataclass(frozen=True)
class Findings:
    """What the steps over all blocks found for the documents of a language, as files. exact, near: see Copies. held:
    numbers of held-out documents, sorted. passages: of the held-out documents of that language. cuts: None without
    scores."""

    exact: Path
    near: Path
    boilerplate: Boilerplate
    held: Path
    passages: Path
    cuts: Cuts | None


@dataclass(frozen=True)
class FinishTask:
    block: Block
    blocks: Blocks
    findings: Findings
    config: CorpusConfig
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


@dataclass
class Removed:
    """Boilerplate taken out. removed: how many passages; bytes: of UTF-8. samples: beginnings, of lines with their
    hash, of other passages with the number of documents that have them."""

    removed: int = 0
    bytes: int = 0
    samples: dict[str, int] = field(default_factory=dict)

    def add(self, passage: str, value: int) -> None:
        self.removed += 1
        self.bytes += utf8_size(passage)
        if len(self.samples) < SAMPLES:
            self.samples.setdefault(sample(passage.strip()), value)


@dataclass(frozen=True)
class FinishReport:
    """What a block came to. figures: split -> bucket -> documents, characters, bytes. seen: file of the passages of
    held-out documents that stand in its training documents, as bools."""

    block: Block
    tally: Tally
    figures: dict[str, dict[str, dict[str, int]]]
    lines: Removed
    passages: Removed
    seen: Path


def finish_all(
    work: Work, blocks: Blocks, copies: Copies, boilerplate: Boilerplate, held: Held, cuts: Mapping[str, ScoreCuts]
) -> list[FinishReport]:
    """Write what is left of all blocks' documents, and what was dropped. The blocks' documents go."""
    folder, drops = work.folder / "finish", work.out_dir / "drops"
    folder.mkdir(exist_ok=True)
    drops.mkdir(exist_ok=True)
    for path in sorted((work.folder / "shards").glob("*.drops.parquet")):
        shutil.copyfile(path, drops / f"{path.name.removesuffix('.drops.parquet')}.parquet")
    findings = {
        lang: Findings(
            copies.exact_file,
            copies.near_file,
            boilerplate,
            held.numbers,
            passages,
            cuts[lang].cuts if lang in cuts else None,
        )
        for lang, passages in held.passages.items()
    }
    tasks = [FinishTask(block, blocks, findings[block.lang], work.config, work.out_dir, folder) for block in blocks.own]
    finished = work.run("write", finish_block, tasks)
    work.tally.add(Tally.total(report.tally for report in finished))
    work.note_peak_disk()
    return finished


def finish_block(task: FinishTask) -> FinishReport:
    """Returns what `task.report` says. Done work is read back."""
    if not task.report.is_file():
        write_json(task.report, _finish(task))
    task.block.documents.unlink(missing_ok=True)
    found = json.loads(task.report.read_text(encoding="utf-8"))
    lines, passages = Removed(**found["lines"]), Removed(**found["passages"])
    return FinishReport(task.block, Tally(**found["tally"]), found["figures"], lines, passages, task.seen)


def _finish(task: FinishTask) -> dict[str, Any]:
    """The report's JSON."""
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
    held = set(block.rows_among(np.load(task.findings.held, mmap_mode="r")).tolist())
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
    return {"tally": tally.as_json(), "figures": figures, "lines": asdict(lines), "passages": asdict(passages)}


def _copies(path: Path, block: Block, blocks: Blocks) -> list[tuple[int, str]]:
    """(row, id of the document kept) of the block's copies."""
    copies, kept = np.load(path, mmap_mode="r")
    originals = blocks.ids(np.array(kept[block.among(copies)]))
    return list(zip(block.rows_among(copies).tolist(), originals, strict=True))


def _without_boilerplate(
    task: FinishTask, texts: list[str], alive: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
) -> tuple[Removed, Removed, list[int]]:
    """Take boilerplate out of `texts`. Returns what went, lines and other passages, and the rows of which too little is
    left."""
    lines, passages = Removed(), Removed()
    emptied: list[int] = []
    found, config, rows = task.findings.boilerplate, task.config, np.flatnonzero(alive).tolist()
    if found.lines is None:
        return lines, passages, emptied
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
        for passage, documents in cut:
            passages.add(passage, documents)
        if len(texts[row]) < config.rules.min_chars:
            emptied.append(row)
    return lines, passages, emptied


def _buckets(task: FinishTask, rows: "np.ndarray[tuple[int], np.dtype[np.int64]]", drop: Any) -> dict[int, int]:
    """row -> bucket of the documents that the score leaves."""
    if task.findings.cuts is None:
        return dict.fromkeys(rows.tolist(), 0)
    perplexities = rank_perplexities(task.block.key(RANK)[rows])
    found: dict[int, int] = {}
    for row, perplexity in zip(rows.tolist(), perplexities.tolist(), strict=True):
        bucket = bucket_of(perplexity, task.findings.cuts)
        if bucket is None:
            drop(row, "score", f"perplexity {perplexity:.1f} a character, among the worst {task.config.score.drop:.0%}")
        else:
            found[row] = bucket
    return found
