"""What all steps of one run of the stage share: the recipe's part, where they work, and what they count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.pipeline.executor import Executor
from lilm.pipeline.stage import Context
from lilm.recipe import CorpusConfig
from lilm.train.corpus.tally import Tally

MB = 1_000_000
WORKER_MB = 500  # a block, its texts and keys, and the libraries


@dataclass
class Work:
    """out_dir: of the stage. memory: bytes that one task may take. peak_disk, peak_memory: the most seen, in bytes."""

    config: CorpusConfig
    out_dir: Path
    context: Context
    pool: Executor
    tally: Tally
    memory: int
    peak_disk: int = 0
    peak_memory: int = 0

    @property
    def folder(self) -> Path:
        """Holds all that is on the disk between the steps; a killed run goes on from there."""
        return checkpoints(self.out_dir)

    def run(self, label: str, function: Callable[[Any], Any], tasks: Sequence[Any]) -> list[Any]:
        """The tasks' answers in their order, with a bar."""
        answers: list[Any] = [None] * len(tasks)
        with self.context.reporter.bar(label, len(tasks)) as bar:
            for index, answer in self.pool.run(function, tasks):
                answers[index] = answer
                bar.advance()
        self.note_peak_disk()  # what the tasks wrote for each other is still there
        return answers

    def note_peak_disk(self) -> None:
        self.peak_disk = max(self.peak_disk, disk_used(self.out_dir))


def disk_used(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def checkpoints(out_dir: Path) -> Path:
    return out_dir / "checkpoints"


def task_memory(config: CorpusConfig, workers: int) -> int:
    """Bytes that each of `workers` tasks at a time may take: half of the memory is for their arrays, half for the
    libraries and what Python makes of them."""
    return config.memory_mb * MB // 2 // workers
