"""Every shard read and judged, earlier corpora signed: all blocks, numbered."""

import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.recipe import CorpusConfig
from lilm.train.corpus.blocks import Block, Blocks
from lilm.train.corpus.reading.contamination import write_evaluation
from lilm.train.corpus.reading.earlier import earlier_block, earlier_tasks, sign_earlier
from lilm.train.corpus.reading.repeated import REMEDY, without_repeated
from lilm.train.corpus.reading.shard import ShardReport, ShardTask, blocks_of, work_shard
from lilm.train.corpus.sources import shards, source_of
from lilm.train.corpus.sources.registry import SHOWN, enough
from lilm.train.corpus.tally import Tally
from lilm.train.corpus.work import Work


def shard_tasks(config: CorpusConfig, seed: int, folder: Path, models: Mapping[str, Path]) -> list[ShardTask]:
    """One for each shard of each source, in the recipe's order. models: for scores, by language."""
    shards_folder = folder / "shards"
    shards_folder.mkdir(parents=True, exist_ok=True)
    evaluation = None
    if config.decontaminate.path:
        evaluation = folder / "evaluation.npy"
        if not evaluation.is_file():
            write_evaluation(config.decontaminate.path, config.decontaminate.ngram, evaluation)
    plan = [(source, shard) for source in config.sources for shard in shards(source)]
    return [
        ShardTask(
            number, shard, source_of(shard, source), config, seed, shards_folder, models.get(source.lang), evaluation
        )
        for number, (source, shard) in enumerate(plan)
    ]


def read_all(work: Work, tasks: Sequence[ShardTask]) -> Blocks:
    """Earlier corpora's blocks come first. Raises LilmError for too much broken input and for a source without text."""
    reports = without_repeated(tasks, _read(work, tasks), work.memory, work.folder / "ids", work.run)
    work.tally.add(Tally.total(report.tally for report in reports))
    _check_input(work.config, work.tally)
    peaks = [report.peak_memory for report in reports]
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    workers = min(work.pool.workers, len(peaks))
    work.peak_memory = own if work.pool.workers == 1 else own + max(peaks) * workers
    found: list[Block] = []
    dedup = work.config.dedup
    old = earlier_tasks(dedup.earlier, dedup.near, work.folder)
    first = 0
    for earlier, rows in zip(old, work.run("earlier corpora", sign_earlier, old) if old else (), strict=True):
        found.append(earlier_block(earlier, first, rows))
        first += rows
    for task, report in zip(tasks, reports, strict=True):
        made = list(blocks_of(task, report, first))
        found += made
        first += sum(block.rows for block in made)
    work.note_peak_disk()
    return Blocks(tuple(found))


def _read(work: Work, tasks: Sequence[ShardTask]) -> list[ShardReport]:
    reports: dict[int, ShardReport] = {}
    with work.context.reporter.bar("read", sum(task.shard.weight for task in tasks)) as bar:
        for index, report in work.pool.run(work_shard, tasks):
            reports[index] = report
            bar.advance(tasks[index].shard.weight, f"{tasks[index].source.name} {tasks[index].shard.label}")
    return [reports[index] for index in range(len(tasks))]


def _check_input(config: CorpusConfig, tally: Tally) -> None:
    for source in config.sources:
        entry = tally.bad.get(source.name, {"records": 0, "bad": 0, "samples": []})
        if entry["bad"] > config.max_bad * entry["records"]:
            first = entry["samples"][0]
            mend = REMEDY if "stands already" in first["what"] else "mend what is broken, leave it out"
            raise LilmError(
                f"{first['what']}; of {entry['records']} records of source {source.name} {entry['bad']} "
                f"{'is' if entry['bad'] == 1 else 'are'} broken"
                + (f": {broken_input(entry)}" if entry["bad"] > 1 else ""),
                where=first["where"],
                remedy=f"{mend}, or go on without by corpus.max_bad = {enough(entry['bad'], entry['records'])} "
                f"(it is {config.max_bad})",
            )
        if not entry["records"] - entry["bad"]:
            raise LilmError(
                "no text came out of it",
                where=f"corpus source {source.name}",
                remedy="check `path`, `format` and `field` of that source",
            )


def broken_input(entry: Mapping[str, Any]) -> str:
    """Where it is and what it is, of a source in Tally.bad: the first ten and a count."""
    shown = entry["samples"][:SHOWN]
    more = entry["bad"] - sum(one.get("records", 1) for one in shown)
    names = ", ".join(f"{Path(one['where']).name} ({one['what']})" for one in shown)
    return names + (f" and {more} more" if more > 0 else "")
