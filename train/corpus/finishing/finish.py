"""The last step, block by block: what is left of its documents goes to the corpus, the block goes away."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lilm.documents import Split, write_documents
from lilm.pipeline.hashing import write_json
from lilm.recipe import CorpusConfig
from lilm.train.corpus.blocks import RANK, Block, Blocks, rank_perplexities, save_array
from lilm.train.corpus.duplicates.find import Copies
from lilm.train.corpus.finishing.cuts import ScoreCuts
from lilm.train.corpus.finishing.heldout import Finder, Passages
from lilm.train.corpus.finishing.removed import Drops
from lilm.train.corpus.finishing.split import Held
from lilm.train.corpus.records import Places
from lilm.train.corpus.score import Cuts, bucket_of
from lilm.train.corpus.tally import Tally, utf8_size
from lilm.train.corpus.work import Work


@dataclass(frozen=True)
class Findings:
    """What the steps over all blocks found for the documents of a language, as files. exact, near: see Copies. held:
    numbers of held-out documents, sorted. passages: of the held-out documents of that language. cuts: None without
    scores. again: copies were dropped before, with boilerplate; these are what is alike without it."""

    exact: Path
    near: Path
    again: bool
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


@dataclass(frozen=True)
class FinishReport:
    """What a block came to. figures: split -> bucket -> documents, characters, bytes. seen: file of the passages of
    held-out documents that stand in its training documents, as bools."""

    block: Block
    tally: Tally
    figures: dict[str, dict[str, dict[str, int]]]
    seen: Path


def finish_all(
    work: Work, blocks: Blocks, copies: Copies, again: bool, held: Held, cuts: Mapping[str, ScoreCuts]
) -> list[FinishReport]:
    """Write what is left of all blocks' documents, and what was dropped. The blocks' documents go. again: see
    Findings."""
    folder, drops = work.folder / "finish", work.out_dir / "drops"
    folder.mkdir(exist_ok=True)
    drops.mkdir(exist_ok=True)
    for path in sorted((work.folder / "shards").glob("*.drops.parquet")):
        shutil.copyfile(path, drops / f"{path.name.removesuffix('.drops.parquet')}.parquet")
    findings = {
        lang: Findings(
            copies.exact_file,
            copies.near_file,
            again,
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
    return FinishReport(task.block, Tally(**found["tally"]), found["figures"], task.seen)


def _finish(task: FinishTask) -> dict[str, Any]:
    """The report's JSON."""
    block, findings = task.block, task.findings
    texts = block.texts()
    drops = Drops(block, texts)
    alive = drops.copies(findings.exact, findings.near, task.blocks, findings.again)
    buckets = _buckets(task, np.flatnonzero(alive), drops)
    held = set(block.rows_among(np.load(findings.held, mmap_mode="r")).tolist())
    finder = Finder(Passages.load(findings.passages))
    rows_of: dict[tuple[Split, int], list[int]] = {}
    for row, bucket in buckets.items():
        split: Split = "heldout" if row in held else "train"
        rows_of.setdefault((split, 0 if split == "heldout" else bucket), []).append(row)
        if split == "train":
            finder.look(texts[row])
    figures: dict[str, dict[str, dict[str, int]]] = {"train": {}, "heldout": {}}
    for (split, bucket), rows in sorted(rows_of.items()):
        chosen = [texts[row] for row in rows]
        frame = pl.DataFrame({"id": [drops.ids[row] for row in rows], "source": block.source, "text": chosen})
        write_documents(task.out_dir, block.lang, split, frame, f"{bucket:02d}-{block.name}")
        size = sum(map(utf8_size, chosen))
        figures[split][str(bucket)] = {"documents": len(rows), "characters": sum(map(len, chosen)), "bytes": size}
        drops.tally.count(block.source, "written", len(rows), size)
    drops.save(task.out_dir / "drops" / f"{block.name}.parquet")
    save_array(task.seen, np.concatenate([finder.grams, finder.lines]))
    return {"tally": drops.tally.as_json(), "figures": figures}


def _buckets(task: FinishTask, rows: Places, drops: Drops) -> dict[int, int]:
    """row -> bucket of the documents that the score leaves."""
    if task.findings.cuts is None:
        return dict.fromkeys(rows.tolist(), 0)
    perplexities = rank_perplexities(task.block.key(RANK)[rows])
    found: dict[int, int] = {}
    for row, perplexity in zip(rows.tolist(), perplexities.tolist(), strict=True):
        bucket = bucket_of(perplexity, task.findings.cuts)
        if bucket is None:
            drops.add(
                row, "score", f"perplexity {perplexity:.1f} a character, among the worst {task.config.score.drop:.0%}"
            )
        else:
            found[row] = bucket
    return found
