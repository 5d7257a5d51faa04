"""Time, disk and memory of the stage, told before it starts: a hundredth of each source, and 2 MB where it has them, is
worked on and thrown away."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from lilm.disk import require_space
from lilm.pipeline.hashing import write_json
from lilm.train.corpus.reading.shard import ShardTask, work_shard
from lilm.train.corpus.work import disk_used

SHARE = 0.01
ENOUGH = 2_000_000  # bytes of a source: files are read ahead, by 128 KB and more
FIRST, MOST = 100, 20_000  # records of a source's sample
DISK_MARGIN = 1.2  # over what the blocks take: the corpus grows while the blocks shrink, and suspects are unpacked
LATER = 1.0  # what the steps over all blocks take, as a share of the shards' time
FIXED = 1.5  # seconds that any corpus takes: charts of the report, mostly


@dataclass(frozen=True)
class Estimate:
    """seconds: wall clock. disk_bytes: the most that the stage's folder holds. memory_mb: of all processes."""

    seconds: float
    disk_bytes: int
    memory_mb: int

    def shared(self, workers: int, apart: bool) -> "Estimate":
        """The same work by so many processes. apart: this one is none of them; it has the same libraries in memory."""
        processes = workers + int(apart)
        return replace(self, seconds=round(self.seconds / workers, 1), memory_mb=self.memory_mb * processes)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def predict(tasks: Sequence[ShardTask], spent: float, folder: Path, out_dir: Path) -> Estimate:
    """The estimate; a run that goes on reads in `folder` what was found at its beginning.

    spent: seconds that went by until now. Raises LilmError when the disk of `out_dir` has no room.
    """
    path = folder / "estimate.json"
    if path.is_file():
        return Estimate(**json.loads(path.read_text(encoding="utf-8")))
    kept = disk_used(out_dir)  # score models, for the most part
    found = estimate(tasks)
    found = replace(found, seconds=round(found.seconds + spent, 1), disk_bytes=found.disk_bytes + kept)
    remedy = "free some space, use --run on another disk, or set a `limit` for a source"
    require_space(out_dir, found.disk_bytes - kept, "the corpus", remedy)
    write_json(path, asdict(found))
    return found


def estimate(tasks: Sequence[ShardTask]) -> Estimate:
    """Estimates for one process, from the first shard of each source. A source of unknown size (hub, no limit) counts
    for what was sampled."""
    seconds, written, memory = 0.0, 0.0, 0
    for source in dict.fromkeys(task.source.name for task in tasks):
        mine = [task for task in tasks if task.source.name == source]
        took, made, used, share = _sample(mine[0], sum(task.shard.weight for task in mine))
        seconds += took / share
        written += made / share
        memory = max(memory, used)
    return Estimate(round(seconds * (1 + LATER) + FIXED, 1), int(written * DISK_MARGIN), round(memory / 1e6))


def _sample(task: ShardTask, weight: int) -> tuple[float, int, int, float]:
    """(seconds, bytes written, peak memory in bytes, share of the source worked on)."""
    counted = task.source.format in ("stories", "hub")  # `weight` is in records, else in bytes
    enough = SHARE if counted else max(SHARE, min(1.0, ENOUGH / max(1, weight)))
    most, loaded = FIRST, counted
    while True:
        with tempfile.TemporaryDirectory(dir=task.folder) as folder:
            before, started = _bytes_read(), time.perf_counter()
            report = work_shard(replace(task, folder=Path(folder), most=most))
            took, used = time.perf_counter() - started, _bytes_read() - before
        if not loaded:  # what was read is libraries and word lists, too
            loaded = True
            continue
        records = sum(entry["records"] for entry in report.tally.bad.values())
        worked = records if counted else used
        if records < most:  # the whole shard
            worked = task.shard.weight
        share = worked / weight
        if records < most or share >= enough or most >= MOST:
            return took, report.bytes, report.peak_memory, min(1.0, max(share, 1e-9))
        most = min(MOST, max(most * 4, round(most * enough / max(share, 1e-9))))


def _bytes_read() -> int:
    """Returns the bytes that this process has read from files; on systems that do not tell, 0."""
    counters = getattr(psutil.Process(), "io_counters", None)
    return int(getattr(counters(), "read_chars", 0)) if counters else 0
