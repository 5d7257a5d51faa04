"""Records whose id stood in their source before: found over all shards on disk, counted as broken input, left out.

Left out before duplicates are looked for, so that no document goes as the copy of one that goes itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import polars as pl

from lilm.errors import LilmError
from lilm.train.corpus.blocks import PIECE_BITS, PLACE, Run, save_array, save_frame
from lilm.train.corpus.duplicates.exact import part_of
from lilm.train.corpus.reading.shard import ShardReport, ShardTask
from lilm.train.corpus.tally import SAMPLES, utf8_size

BYTES_PER_ID = 100  # of a pass: mark, number, the sort's copies
REMEDY = 'if ids start again in each file, set `id_field = ""` of that source; else delete the repeated records'


@dataclass(frozen=True)
class SourceIds:
    """The shards of one source that have ids. firsts: number of each one's first id, counted over the source."""

    shards: tuple[ShardTask, ...]
    firsts: tuple[int, ...]

    def where(self, number: int) -> str:
        """Where the record with that number stands."""
        shard = int(np.searchsorted(self.firsts, number, side="right")) - 1
        row = pl.scan_parquet(self.shards[shard].ids, glob=False).slice(number - self.firsts[shard], 1)
        return str(row.select("where").collect().item())


@dataclass(frozen=True)
class IdsTask:
    """Ids whose mark is in part `part` of `parts`."""

    source: SourceIds
    part: int
    parts: int
    output: Path


def find_repeated(task: IdsTask) -> None:
    """Write [2, repeated]: number of each id that stood before, and of where it stood first; sorted."""
    if task.output.is_file():
        return
    found = [np.empty((2, 0), dtype=np.uint64)]
    for shard, first in zip(task.source.shards, task.source.firsts, strict=True):
        marks = np.load(shard.marks)
        here = np.flatnonzero(part_of(marks, task.parts) == task.part)
        found.append(np.stack([marks[here], here.astype(np.uint64) + np.uint64(first)]))
    marks, numbers = np.concatenate(found, axis=1)
    order = np.lexsort((numbers, marks))
    marks, numbers = marks[order], numbers[order]
    same = np.append(False, marks[1:] == marks[:-1])[: len(marks)]
    starts = np.maximum.accumulate(np.where(same, 0, np.arange(len(marks))))
    repeated = np.stack([numbers[same], numbers[starts[same]]])
    save_array(task.output, repeated[:, np.argsort(repeated[0])])


@dataclass(frozen=True)
class LeaveOutTask:
    """A shard, and what `find_repeated` wrote of its source."""

    shard: ShardTask
    source: SourceIds
    repeated: tuple[Path, ...]


def leave_out(task: LeaveOutTask) -> ShardReport:
    """Write those blocks again that have records with a repeated id. Returns the shard's report, which counts these
    as broken. Raises LilmError at the first one when the recipe says so."""
    shard, report = task.shard, task.shard.read_report()
    if report.rewritten is not None:
        return report
    first = task.source.firsts[task.source.shards.index(shard)]
    found = [np.load(path, mmap_mode="r") for path in task.repeated]
    edges = [np.searchsorted(numbers[0], [first, first + report.ids]).tolist() for numbers in found]
    here = np.concatenate([one[:, start:stop] for one, (start, stop) in zip(found, edges, strict=True)], axis=1)
    here = here[:, np.argsort(here[0])]
    ids = pl.read_parquet(shard.ids, glob=False)[(here[0] - np.uint64(first)).astype(np.int64)]
    tally = report.tally
    key = f"id_field {shard.source.id_field!r}:"  # names the key to change when that field holds no real id
    for index, ((_, name, where), number) in enumerate(zip(ids.iter_rows(), here[1].tolist(), strict=True)):
        # only samples are shown, and to find the first place takes a look into another file
        what = f"{key} {name!r} stands already at {task.source.where(number)}" if index < SAMPLES else "repeated id"
        if shard.config.bad_input == "stop":
            raise LilmError(what, where=where, remedy=REMEDY)
        tally.broken(shard.source.name, where, what)
    rewritten = [number for number in range(len(report.rows)) if _rewrite(shard, number, ids["record"], report)]
    report.rewritten = rewritten
    report.save(shard.report)
    for number in rewritten:
        for path in shard.block(number):
            path.unlink()
    return report


def _rewrite(shard: ShardTask, number: int, records: pl.Series, report: ShardReport) -> bool:
    """Whether the block had any of the records; then it stands again without them, beside the old one."""
    documents, keys = shard.block(number)
    table = np.load(keys)
    keep = ~np.isin(table[PLACE] >> PIECE_BITS, records.to_numpy())
    if keep.all():
        return False
    frame = pl.read_parquet(documents, glob=False)
    gone = frame.filter(~keep)["text"].to_list()
    report.tally.count(shard.source.name, "filtered", -len(gone), -sum(map(utf8_size, gone)))
    new_documents, new_keys = shard.block(number, rewritten=True)
    new_keys.parent.mkdir(exist_ok=True)
    save_frame(new_documents, frame.filter(keep))
    save_array(new_keys, table[:, keep])
    report.rows[number] = int(keep.sum())
    return True


def without_repeated(
    tasks: Sequence[ShardTask], reports: Sequence[ShardReport], memory: int, folder: Path, run: Run
) -> list[ShardReport]:
    """The shards' reports, after records with repeated ids were left out. memory: bytes that a task may take."""
    found = list(reports)
    by_source: dict[str, list[int]] = {}
    for index, (task, report) in enumerate(zip(tasks, reports, strict=True)):
        if report.ids:
            by_source.setdefault(task.source.name, []).append(index)
    for name, members in by_source.items():
        counts = [reports[index].ids for index in members]
        firsts = tuple(accumulate(counts, initial=0))[:-1]
        source = SourceIds(tuple(tasks[index] for index in members), firsts)
        folder.mkdir(exist_ok=True)
        parts = max(1, -(-sum(counts) * BYTES_PER_ID // memory))
        finding = [IdsTask(source, part, parts, folder / f"{name}-{part:05d}.npy") for part in range(parts)]
        run(f"ids of {name}", find_repeated, finding)
        outputs = tuple(task.output for task in finding)
        if any(np.load(path, mmap_mode="r").shape[1] for path in outputs):
            leaving = [LeaveOutTask(tasks[index], source, outputs) for index in members]
            for index, report in zip(members, run(f"repeated ids of {name}", leave_out, leaving), strict=True):
                found[index] = report
    return found
