"""The corpus stage from beginning to end: what follows what. The work itself is done in `steps`, shard by shard and
block by block; all that stands on the disk meanwhile is in the stage's checkpoints, from which a killed run goes on."""

import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lilm.artifact import Artifact
from lilm.errors import LilmError
from lilm.executor import Executor, executor
from lilm.hashing import write_atomic, write_json
from lilm.progress import clock
from lilm.recipe import CorpusConfig
from lilm.stage import Context
from lilm.train.corpus.blocks import RANK, Block, Blocks, rank_perplexities
from lilm.train.corpus.boilerplate.lines import find_boilerplate
from lilm.train.corpus.boilerplate.passages import find_passages
from lilm.train.corpus.duplicates.clusters import cluster_figures
from lilm.train.corpus.duplicates.find import Copies, find_duplicates, without
from lilm.train.corpus.finishing.finish import Findings, FinishTask, finish_block
from lilm.train.corpus.finishing.report import corpus_report
from lilm.train.corpus.finishing.split import TooFew, choose_heldout
from lilm.train.corpus.reading.contamination import write_evaluation
from lilm.train.corpus.reading.earlier import earlier_block, earlier_tasks, sign_earlier
from lilm.train.corpus.reading.estimate import Estimate, check_disk, disk_used, estimate
from lilm.train.corpus.reading.repeated import REMEDY, without_repeated
from lilm.train.corpus.reading.shard import ShardTask, blocks_of, work_shard
from lilm.train.corpus.reading.trusted import score_models
from lilm.train.corpus.report.page import report_page
from lilm.train.corpus.score import Cuts, cuts, histogram, merge
from lilm.train.corpus.sources import shards
from lilm.train.corpus.tally import Tally

MB = 1_000_000
WORKER_MB = 500  # a block, its texts and keys, and the libraries
ALONE_SECONDS = 10.0  # less work is done sooner than processes are started


def make_corpus(config: CorpusConfig, out_dir: Path, context: Context) -> Artifact:
    """See lilm.train.corpus.stage.run."""
    started = time.monotonic()
    making = _Making(config, out_dir, context)
    try:
        tasks = making.shard_tasks()
        alone = making.predict(tasks)
        workers = worker_count(config) if config.workers or alone.seconds > ALONE_SECONDS else 1
        with executor(config.executor, workers) as pool:
            predicted = alone.shared(min(pool.workers, len(tasks)))
            context.reporter.say(
                f"  estimate: {clock(predicted.seconds)}, {predicted.disk_bytes / MB:,.0f} MB of disk, "
                f"{predicted.memory_mb:,} MB of memory"
            )
            report = making.make(tasks, pool)
        actual = Estimate(time.monotonic() - started, making.peak_disk, round(making.peak_memory / MB))
        return making.artifact(report, predicted, actual)
    except LilmError:
        # The recipe or the input will be another one: nothing here is of use to it.
        shutil.rmtree(making.work, ignore_errors=True)
        raise


def worker_count(config: CorpusConfig) -> int:
    """As many as there are cores and `memory_mb` has room for."""
    return max(1, min(config.workers or os.cpu_count() or 1, config.memory_mb // WORKER_MB))


class _Making:
    """One run of the stage, with what it counts on its way."""

    def __init__(self, config: CorpusConfig, out_dir: Path, context: Context) -> None:
        self.config, self.out_dir, self.context = config, out_dir, context
        self.work = out_dir / "checkpoints"
        self.tally = Tally()
        self.peak_disk = self.peak_memory = 0

    def make(self, tasks: list[ShardTask], pool: Executor) -> dict[str, Any]:
        """Returns report.json."""
        self.pool = pool
        memory = self.memory()
        blocks = self.read_all(tasks)
        own = [block for block in blocks.all if not block.earlier]
        size = sum(steps["filtered"]["bytes"] for steps in self.tally.steps.values() if "filtered" in steps)
        with self.tally.timed("deduplicate", size):
            copies = find_duplicates(blocks, self.config.dedup.near, memory, self.work / "duplicates", self.run)
        self.note_peak_disk()
        limits = self.cuts(own, copies)
        frequent = runs = None
        if self.config.dedup.line_documents:
            with self.tally.timed("boilerplate", size):
                frequent = find_boilerplate(own, copies, self.config.dedup, memory, self.work / "lines", self.run)
                if self.config.dedup.substring_chars:
                    runs = find_passages(own, copies, self.config.dedup, memory, self.work / "passages", self.run)
        only_cuts = {lang: limit for lang, (limit, _) in limits.items()}
        try:
            held = choose_heldout(own, copies, only_cuts, self.config, self.context.seed, self.work)
        except TooFew as error:
            raise self.too_few(error) from error
        clusters = self.clusters(blocks, copies, memory)
        findings = {
            lang: Findings(copies.exact_file, copies.near_file, frequent, held.numbers, path, runs)
            for lang, path in held.passages.items()
        }
        with self.tally.timed("write", 0):
            finished = self.finish(blocks, own, findings, only_cuts)
        report = corpus_report(
            self.config, self.tally, own, finished, held, limits, clusters, frequent, self.work / "finish"
        )
        write_json(self.out_dir / "report.json", report)
        return report

    def memory(self) -> int:
        """Bytes that a task may take: half is for its arrays, half for the libraries and what Python makes of them."""
        return self.config.memory_mb * MB // 2 // min(self.pool.workers, worker_count(self.config))

    def run(self, label: str, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        """The tasks' answers in their order, with a bar."""
        answers: list[Any] = [None] * len(tasks)
        with self.context.reporter.bar(label, len(tasks)) as bar:
            for index, answer in self.pool.run(function, tasks):
                answers[index] = answer
                bar.advance()
        return answers

    def note_peak_disk(self) -> None:
        self.peak_disk = max(self.peak_disk, disk_used(self.out_dir))

    def shard_tasks(self) -> list[ShardTask]:
        folder = self.work / "shards"
        folder.mkdir(parents=True, exist_ok=True)
        evaluation = None
        if self.config.decontaminate.path:
            evaluation = self.work / "evaluation.npy"
            if not evaluation.is_file():
                write_evaluation(self.config.decontaminate.path, self.config.decontaminate.ngram, evaluation)
        models = self.models()
        self.scored = set(models)
        plan = [(source, shard) for source in self.config.sources for shard in shards(source)]
        return [
            ShardTask(
                number, shard, source, self.config, self.context.seed, folder, models.get(source.lang), evaluation
            )
            for number, (source, shard) in enumerate(plan)
        ]

    def models(self) -> dict[str, Path]:
        """Score models by language, trained when they are not there."""
        with self.tally.timed("train score", 0):
            return score_models(self.config, self.context.seed, self.work / "score", self.context.reporter)

    def predict(self, tasks: list[ShardTask]) -> Estimate:
        """Of one process; a run that goes on reads what was found at its beginning."""
        path = self.work / "estimate.json"
        if path.is_file():
            return Estimate(**json.loads(path.read_text(encoding="utf-8")))
        found = estimate(tasks)
        check_disk(found, self.out_dir)
        write_json(path, found.as_json())
        return found

    def read_all(self, tasks: list[ShardTask]) -> Blocks:
        """Every shard read and judged. Raises LilmError for too much broken input and for a source without text."""
        reports: list[dict[str, Any]] = [{} for _ in tasks]
        with self.context.reporter.bar("read", sum(task.shard.weight for task in tasks)) as bar:
            for index, report in self.pool.run(work_shard, tasks):
                reports[index] = report
                bar.advance(tasks[index].shard.weight, f"{tasks[index].source.name} {tasks[index].shard.label}")
        reports = without_repeated(tasks, reports, self.memory(), self.work / "ids", self.run)
        self.tally.add(Tally.total(Tally(**report["tally"]) for report in reports))
        self.check_input()
        peaks = [report["peak_memory"] for report in reports]
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.peak_memory = own if self.pool.workers == 1 else own + max(peaks) * min(self.pool.workers, len(peaks))
        found: list[Block] = []
        old = earlier_tasks(self.config.dedup.earlier, self.config.dedup.near, self.work)
        first = 0
        for earlier, rows in zip(old, self.run("earlier corpora", sign_earlier, old) if old else (), strict=True):
            found.append(earlier_block(earlier, first, rows))
            first += rows
        for task, report in zip(tasks, reports, strict=True):
            made = list(blocks_of(task, report, first))
            found += made
            first += sum(block.rows for block in made)
        self.note_peak_disk()
        return Blocks(tuple(found))

    def check_input(self) -> None:
        for source in self.config.sources:
            entry = self.tally.bad.get(source.name, {"records": 0, "bad": 0, "samples": []})
            if entry["bad"] > self.config.max_bad * entry["records"]:
                first = entry["samples"][0]
                mend = REMEDY if "stands already" in first["what"] else "mend what is broken, leave it out"
                raise LilmError(
                    f"{first['what']}; of {entry['records']} records of source {source.name} {entry['bad']} "
                    f"{'is' if entry['bad'] == 1 else 'are'} broken",
                    where=first["where"],
                    remedy=f"{mend}, or raise corpus.max_bad ({self.config.max_bad})",
                )
            if not entry["records"] - entry["bad"]:
                raise LilmError(
                    "no text came out of it",
                    where=f"corpus source {source.name}",
                    remedy="check `path`, `format` and `field` of that source",
                )

    def too_few(self, error: TooFew) -> LilmError:
        drops = sorted(self.tally.drops.items(), key=lambda item: -item[1]["documents"])[:3]
        most = "; ".join(
            f"{rule} {entry['documents']} (such as: {entry['samples'][0]['reason']})" for rule, entry in drops
        )
        return LilmError(
            f"{error.documents} document{'s' * (error.documents != 1)} left of language {error.lang!r}; one is needed "
            "to train on and one to measure",
            where="corpus",
            remedy=f"add text, lower max_chars, or loosen the rules that drop most: {most or 'none'}",
        )

    def cuts(self, own: list[Block], copies: Copies) -> dict[str, tuple[Cuts, Any]]:
        """By language, where the score parts and drops documents, and the histogram; empty without scores."""
        totals: dict[str, Any] = {}
        for block in (block for block in own if block.lang in self.scored):
            rows = without(block, copies.exact, copies.near)
            perplexities = rank_perplexities(block.key(RANK)[rows]).astype(np.float32)
            counts = histogram(perplexities)
            totals[block.lang] = merge([totals[block.lang], counts]) if block.lang in totals else counts
        return {
            lang: (cuts(counts, self.config.score.drop, self.config.score.buckets), counts)
            for lang, counts in totals.items()
        }

    def clusters(self, blocks: Blocks, copies: Copies, memory: int) -> dict[str, Any]:
        """Near-duplicate clusters by language; read from the blocks before they go."""
        path = self.work / "clusters.json"
        if not path.is_file():
            write_json(path, cluster_figures(blocks, copies.near, memory, path.with_suffix(".sort")))
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return figures

    def finish(
        self, blocks: Blocks, own: list[Block], findings: dict[str, Findings], limits: dict[str, Cuts]
    ) -> list[dict[str, Any]]:
        folder = self.work / "finish"
        folder.mkdir(exist_ok=True)
        (self.out_dir / "drops").mkdir(exist_ok=True)
        for path in sorted((self.work / "shards").glob("*.drops.parquet")):
            shutil.copyfile(path, self.out_dir / "drops" / f"{path.name.removesuffix('.drops.parquet')}.parquet")
        tasks = [
            FinishTask(
                block, blocks, findings[block.lang], self.config,
                limits.get(block.lang), self.out_dir, folder,
            )
            for block in own
        ]  # fmt: skip
        finished = self.run("write", finish_block, tasks)
        self.tally.add(Tally.total(Tally(**report["tally"]) for report in finished))
        self.note_peak_disk()
        return finished

    def artifact(self, report: dict[str, Any], predicted: Estimate, actual: Estimate) -> Artifact:
        timing = {"steps": self.tally.speeds(), "predicted": predicted.as_json(), "actual": actual.as_json()}
        write_json(self.out_dir / "timing.json", timing)
        write_atomic(self.out_dir / "report.html", report_page(report, timing))
        self.context.reporter.say(
            f"  took {clock(actual.seconds)} ({clock(predicted.seconds)} predicted), "
            f"{actual.disk_bytes / 1e6:,.0f} MB of disk ({predicted.disk_bytes / 1e6:,.0f}), "
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
