"""Progress with the time left: a live bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_SECONDS = 10.0  # a log gets one line per bar in this time


def clock(seconds: float) -> str:
    """`75` -> `1:15`, `4000` -> `1:06:40`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Bar:
    """One piece of work of `total` steps. `advance` it; `note` is shown behind the bar."""

    def __init__(self, reporter: "Reporter", label: str, total: int, done: int) -> None:
        self._reporter, self._label, self._total, self._done = reporter, label, total, done
        self._first, self._started, self._logged = done, time.monotonic(), time.monotonic()
        self._task = reporter.live.add_task(label, total=total, completed=done, note="") if reporter.live else None

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        if self._reporter.live is not None and self._task is not None:
            self._reporter.live.update(self._task, completed=self._done, note=note)
        elif time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            spent = self._logged - self._started
            left = spent / max(1, self._done - self._first) * (self._total - self._done)
            self._reporter.console.print(
                f"  {self._label} {self._done}/{self._total} · {clock(spent)} spent, {clock(left)} left"
                + (f" · {note}" if note else ""),
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    def remove(self) -> None:
        """Take the bar off the screen: it stood below another, which goes on."""
        if self._reporter.live is not None and self._task is not None:
            self._reporter.live.remove_task(self._task)


class Reporter:
    """Where a stage says what it does. Stages get one; they never print."""

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console(stderr=True, quiet=quiet)
        self.live: Progress | None = None

    def say(self, text: str) -> None:
        """One line of news; square brackets in it are text, not markup."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, label: str, total: int, done: int = 0) -> Iterator[Bar]:
        """A progress bar over `total` steps, of which `done` were done before a restart."""
        if not self.console.is_terminal or self.live is not None:
            inner = Bar(self, label, total, done)
            yield inner
            inner.remove()
            return
        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("·"),
            TimeRemainingColumn(),
            TextColumn("left {task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self.console) as self.live:
            try:
                yield Bar(self, label, total, done)
            finally:
                self.live = None
