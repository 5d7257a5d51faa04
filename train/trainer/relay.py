"""Progress from one process to another: lines of JSON in a file that one writes and the other reads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lilm.progress import Bar, Reporter


class RelayReporter(Reporter):
    """Writes what a stage says into `path` instead of showing it: lists of a word and its values, for `replay`."""

    def __init__(self, path: Path) -> None:
        super().__init__(quiet=True)
        self._file = path.open("a", encoding="utf-8")

    def write(self, *event: Any) -> None:
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def say(self, text: str) -> None:
        self.write("say", text)

    @contextmanager
    def bar(self, label: str, total: int | None, done: int = 0) -> Iterator[Bar]:
        self.write("bar", label, total, done)
        try:
            yield _RelayedBar(self)
        finally:
            self.write("end")


class _RelayedBar(Bar):
    def __init__(self, relay: RelayReporter) -> None:
        self._relay = relay

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._relay.write("advance", steps, note)


def replay(events: Iterator[list[Any]], reporter: Reporter, bar: Bar | None = None) -> None:
    """Show on `reporter` what a RelayReporter wrote, until `bar` ends or no more comes."""
    for kind, *values in events:
        if kind == "say":
            reporter.say(*values)
        elif kind == "bar":
            with reporter.bar(*values) as inner:
                replay(events, reporter, inner)
        elif kind == "advance" and bar is not None:
            bar.advance(*values)
        else:
            return
