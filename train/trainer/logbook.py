"""What training says: lines of JSON at its end; while it goes on TensorBoard, and a page with curves, written again now
and then."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.pipeline.artifact import files_below
from lilm.progress import Reporter
from lilm.train.trainer import setback
from lilm.train.trainer.loop import Metrics
from lilm.train.trainer.rank import current_rank
from lilm.train.trainer.report import write_report
from lilm.train.trainer.speed import Speedometer

METRICS, PAGE, BOARD = "metrics.jsonl", "report.html", "tensorboard"
EVENTS = ("events.*",)  # as TensorBoard calls its files
PAGE_SECONDS = 60.0  # at least so long between two writings of the page


class Logbook:
    """The logbook of one run in one or more stages, in `out_dir`; only the first process keeps it.

    Call `begin` before each stage and `end_stage` after it, with `see` as the job's observer; `end` writes
    metrics.jsonl and the last page, and returns the names of those files that hold times and so differ from run to
    run. note: a line for the page. unit: of the loss.
    """

    def __init__(
        self, title: str, out_dir: Path, reporter: Reporter, note: str = "", unit: str = "nats per token"
    ) -> None:
        self._title, self._folder, self._note, self._unit = title, out_dir, note, unit
        self.metrics: Metrics = []  # of the stages that have ended, with `stage`, their steps counted on
        self._figures: dict[str, Any] = {}
        self._stage, self._offset, self._page_at = 1, 0, 0.0
        self._writer: Any = None
        if current_rank().rank == 0:
            self._writer = _summary_writer(out_dir / BOARD, reporter)
            reporter.say(f"  curves while it runs: {out_dir / PAGE}")

    def begin(self, stage: int, offset: int) -> None:
        """offset: steps of the stages before."""
        self._stage, self._offset = stage, offset

    def see(self, metrics: Metrics, speed: Speedometer) -> None:
        entry = metrics[-1]
        step = entry["step"] + self._offset
        self._figures = {"tokens_per_s": speed.tokens_per_s, "mfu": speed.mfu}
        if self._writer is not None:
            for name, value in {**entry, **self._figures}.items():
                if isinstance(value, float):
                    self._writer.add_scalar(name, value, step)
            for language, texts in entry.get("samples", {}).items():
                self._writer.add_text(f"samples_{language}", "\n\n".join(texts), step)
        if time.monotonic() - self._page_at > PAGE_SECONDS:
            self._page(metrics)

    def end_stage(self, metrics: Metrics) -> None:
        self.metrics += self._staged(metrics)

    @property
    def mfu(self) -> float | None:
        return self._figures.get("mfu")

    def _staged(self, metrics: Metrics) -> Metrics:
        return [{"stage": self._stage, **setback.later(entry, self._offset)} for entry in metrics]

    def end(self, answers: Sequence[Mapping[str, str]] = ()) -> tuple[str, ...]:
        """answers: see `write_report`."""
        if current_rank().rank:
            return ()
        write_atomic(self._folder / METRICS, "".join(json.dumps(entry) + "\n" for entry in self.metrics))
        self._write(self.metrics, answers)
        if self._writer is not None:
            self._writer.close()
        board = [path.relative_to(self._folder).as_posix() for path in files_below(self._folder / BOARD, EVENTS)]
        return (PAGE, *board)

    def _page(self, metrics: Metrics) -> None:
        self._write(self.metrics + self._staged(metrics))
        self._page_at = time.monotonic()

    def _write(self, metrics: Metrics, answers: Sequence[Mapping[str, str]] = ()) -> None:
        note = ". ".join(part for part in (self._note, setback.told(metrics)) if part)
        write_report(self._title, metrics, self._figures, self._folder / PAGE, note, answers, self._unit)


def _summary_writer(folder: Path, reporter: Reporter) -> Any:
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        reporter.say("  no TensorBoard log: the package tensorboard is not installed")
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))  # type: ignore[no-untyped-call]
