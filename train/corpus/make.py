"""The corpus stage from beginning to end: what follows what.

The work itself is done in `reading`, `duplicates`, `boilerplate` and `finishing`, shard by shard and block by block.
All that stands on the disk meanwhile is in the stage's checkpoints, from which a killed run goes on.
"""

import os
import shutil
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.errors import LilmError
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.executor import executor
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.progress import clock
from lilm.recipe import CorpusConfig
from lilm.train.corpus.boilerplate.find import Boilerplate, find_all
from lilm.train.corpus.duplicates.clusters import read_clusters
from lilm.train.corpus.duplicates.find import find_duplicates
from lilm.train.corpus.finishing.cut import CutReport, cut_all
from lilm.train.corpus.finishing.cuts import find_cuts
from lilm.train.corpus.finishing.finish import finish_all
from lilm.train.corpus.finishing.report import corpus_report
from lilm.train.corpus.finishing.split import choose_heldout
from lilm.train.corpus.reading.estimate import Estimate, predict
from lilm.train.corpus.reading.read import read_all, shard_tasks
from lilm.train.corpus.reading.shard import ShardTask
from lilm.train.corpus.reading.trusted import score_models
from lilm.train.corpus.report.page import report_page
from lilm.train.corpus.report.said import said_of
from lilm.train.corpus.tally import Tally
from lilm.train.corpus.work import MB, WORKER_MB, Work, checkpoints, task_memory

ALONE_SECONDS = 10.0  # less work is done sooner than processes are started


def make_corpus(config: CorpusConfig, out_dir: Path, context: Context) -> Artifact:
    """See lilm.train.corpus.stage.run."""
    started = time.monotonic()
    folder, tally = checkpoints(out_dir), Tally()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tally.timed("train score", 0):
            models = score_models(config, context.seed, folder / "score", context.reporter)
        tasks = shard_tasks(config, context.seed, folder, models)
        alone = predict(tasks, time.monotonic() - started, folder, out_dir)
        most = worker_count(config)
        with executor(config.executor, most if config.workers or alone.seconds > ALONE_SECONDS else 1) as pool:
            predicted = alone.shared(min(pool.workers, len(tasks)), apart=pool.workers > 1)
            context.reporter.say(
                f"  estimate: {clock(predicted.seconds)}, {predicted.disk_bytes / MB:,.0f} MB of disk, "
                f"{predicted.memory_mb:,} MB of memory"
            )
            memory = task_memory(config, min(pool.workers, most))
            work = Work(config, out_dir, context, pool, tally, memory)
            report = _make(work, tasks, models)
        actual = Estimate(time.monotonic() - started, work.peak_disk, round(work.peak_memory / MB))
        for line in said_of(config, tasks, report):
            context.reporter.say(f"  {line}")
        return _artifact(work, report, predicted, actual)
    except LilmError:
        # The recipe or the input will be another one: nothing here is of use to it.
        shutil.rmtree(folder, ignore_errors=True)
        raise


def worker_count(config: CorpusConfig) -> int:
    """Returns as many as there are cores and `memory_mb` has room for."""
    return max(1, min(config.workers or os.cpu_count() or 1, config.memory_mb // WORKER_MB))


def _make(work: Work, tasks: Sequence[ShardTask], scored: Collection[str]) -> dict[str, Any]:
    """Returns report.json. scored: languages whose documents have scores."""
    config, folder, tally = work.config, work.folder, work.tally
    blocks = read_all(work, tasks)
    size = tally.bytes_after("filtered")
    with tally.timed("deduplicate", size):
        copies = find_duplicates(blocks, config.dedup.near, work.memory, folder / "duplicates", work.run)
    work.note_peak_disk()
    clusters = read_clusters(blocks, copies.near, work.memory, folder / "clusters.json")
    boilerplate, cut = Boilerplate(), list[CutReport]()
    if config.dedup.line_documents:
        with tally.timed("boilerplate", size):
            boilerplate = find_all(blocks.own, copies, config.dedup, work.memory, folder, work.run)
            blocks, cut = cut_all(work, blocks, copies, boilerplate)
        with tally.timed("deduplicate", tally.bytes_after("near_deduplicated")):
            copies = find_duplicates(blocks, config.dedup.near, work.memory, folder / "duplicates-again", work.run)
    cuts = find_cuts([block for block in blocks.own if block.lang in scored], copies, config.score)
    held = choose_heldout(blocks.own, copies, cuts, work)
    with tally.timed("write", 0):
        finished = finish_all(work, blocks, copies, bool(cut), held, cuts)
    report = corpus_report(config, tally, finished, cut, held, cuts, clusters, boilerplate.lines)
    write_json(work.out_dir / "report.json", report)
    return report


def _artifact(work: Work, report: dict[str, Any], predicted: Estimate, actual: Estimate) -> Artifact:
    timing = {"steps": work.tally.speeds(), "predicted": predicted.as_json(), "actual": actual.as_json()}
    write_json(work.out_dir / "timing.json", timing)
    write_atomic(work.out_dir / "report.html", report_page(report, timing))
    work.context.reporter.say(
        f"  took {clock(actual.seconds)} ({clock(predicted.seconds)} predicted), "
        f"{actual.disk_bytes / MB:,.0f} MB of disk ({predicted.disk_bytes / MB:,.0f}), "
        f"{actual.memory_mb:,} MB of memory ({predicted.memory_mb:,})"
    )
    languages = report["languages"]
    return Artifact(
        {
            "documents": {lang: entry["train"]["documents"] for lang, entry in languages.items()},
            "bytes": {lang: entry["train"]["bytes"] for lang, entry in languages.items()},
            "heldout_documents": {lang: entry["heldout"]["documents"] for lang, entry in languages.items()},
            "dropped": {rule: entry["documents"] for rule, entry in report["drops"].items()},
            "mb_per_s": {step: entry["mb_s"] for step, entry in timing["steps"].items()},
            "peak_disk_bytes": actual.disk_bytes,
            "peak_memory_mb": actual.memory_mb,
        },
        volatile=("timing.json", "report.html"),
    )
