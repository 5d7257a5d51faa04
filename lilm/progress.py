"""Progress with the time left: a live bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lilm.commands import as_typed

LOG_SECONDS = 10.0  # a screen that is no terminal gets one line per bar in this time
FILE_SECONDS = 60.0  # the log file, in this


def clock(seconds: float) -> str:
    """`75` -> `1:15`, `4000` -> `1:06:40`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def text_console(*, stderr: bool = False, quiet: bool = False, record: bool = False) -> Console:
    """A screen that shows text as it is: by itself rich draws a picture for `:ab:`, in a fingerprint or a path too."""
    return Console(stderr=stderr, quiet=quiet, record=record, emoji=False)


class Bar:
    """One piece of work of `total` steps, None where nobody knows how many. `advance` it; `note` is shown behind the
    bar."""

    def __init__(self, reporter: "Reporter", label: str, total: int | None, done: int) -> None:
        self._reporter, self._label, self._total, self._done = reporter, label, total, done
        self._first, self._started = done, time.monotonic()
        self._logged = self._written = self._started
        self._task = reporter.live.add_task(label, total=total, completed=done, note="") if reporter.live else None

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        now, reporter = time.monotonic(), self._reporter
        in_all = reporter.left_in_all(self._left(now))
        if reporter.live is not None and self._task is not None:
            shown = " · ".join(part for part in (in_all, note) if part)
            reporter.live.update(self._task, completed=self._done, note=f"· {shown}" if shown else "")
        elif now - self._logged >= LOG_SECONDS:
            self._logged = now
            reporter.console.print(self._line(now, in_all, note), highlight=False, markup=False, soft_wrap=True)
        if now - self._written >= FILE_SECONDS:
            self._written = now
            reporter.write_log(self._line(now, in_all, note))

    def _left(self, now: float) -> float:
        """Seconds, as fast as so far; 0 where the end is not known."""
        if self._total is None:
            return 0.0
        return (now - self._started) / max(1, self._done - self._first) * (self._total - self._done)

    def _line(self, now: float, in_all: str, note: str) -> str:
        spent, done = f"{clock(now - self._started)} spent", f"  {self._label} {self._done}"
        if self._total is not None:
            spent, done = f"{spent}, {clock(self._left(now))} left", f"{done}/{self._total}"
        return " · ".join(part for part in (done, spent, in_all, note) if part)

    def remove(self) -> None:
        """Take the bar off the screen: it stood below another, which goes on."""
        if self._reporter.live is not None and self._task is not None:
            self._reporter.live.remove_task(self._task)


class Reporter:
    """Where a stage says what it does. Stages get one; they never print.

    log: a file that gets what the screen gets, with times. in_all: says how long the whole run still takes, given the
    seconds that a bar still takes.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or text_console(stderr=True, quiet=quiet)
        self.live: Progress | None = None
        self.log: Path | None = None
        self.in_all: Callable[[float], str] | None = None

    def left_in_all(self, of_bar: float) -> str:
        """Words, "" where nobody knows."""
        return self.in_all(of_bar) if self.in_all is not None else ""

    def write_log(self, text: str) -> None:
        """Add lines to the log file, where there is one; a disk that does not take them stops no work."""
        if self.log is None:
            return
        at = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        with suppress(OSError), self.log.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(f"{at} {line}\n" for line in as_typed(text).splitlines())

    def say(self, text: str) -> None:
        """One line of news; square brackets in it are text, not markup."""
        self.write_log(text)
        self.console.print(as_typed(text), highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, label: str, total: int | None, done: int = 0) -> Iterator[Bar]:
        """A progress bar over `total` steps, None where nobody knows, of which `done` were done before a restart."""
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
