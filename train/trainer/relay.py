"""Progress from one process to another: lines of JSON in a file that one writes and the other reads."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from lilm.progress import Bar, Reporter


class RelayReporter(Reporter):
    """Writes what a stage says into `path` instead of showing it."""

    def __init__(self, path: Path) -> None:
        super().__init__(quiet=True)
        self._file = path.open("a", encoding="utf-8")

    def write(self, event: dict[str, Any]) -> None:
        self._file.write(json.dumps(event) + "\n")
        self._file.flush()

    def say(self, text: str) -> None:
        self.write({"say": text})

    @contextmanager
    def bar(self, label: str, total: int, done: int = 0) -> Iterator[Bar]:
        self.write({"bar": [label, total, done]})
        yield _RelayedBar(self, label, total, done)
        self.write({"end": label})


class _RelayedBar(Bar):
    def __init__(self, reporter: RelayReporter, label: str, total: int, done: int) -> None:
        super().__init__(reporter, label, total, done)
        self._relay = reporter

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._relay.write({"advance": [steps, note]})


class Relayed:
    """The other end: `show` passes on to `reporter` what has been written since it was last called."""

    def __init__(self, path: Path, reporter: Reporter) -> None:
        self._path, self._reporter = path, reporter
        self._file: IO[str] | None = None
        self._rest = ""
        self._bars: list[tuple[Bar, ExitStack]] = []  # that are open, the inner ones last

    def __enter__(self) -> Self:
        return self

    def show(self) -> None:
        if self._file is None:
            if not self._path.is_file():
                return
            self._file = self._path.open(encoding="utf-8")
        *lines, self._rest = (self._rest + self._file.read()).split("\n")
        for line in lines:
            self._pass_on(json.loads(line))

    def _pass_on(self, event: dict[str, Any]) -> None:
        if "say" in event:
            self._reporter.say(event["say"])
        elif "bar" in event:
            stack = ExitStack()
            bar: AbstractContextManager[Bar] = self._reporter.bar(*event["bar"])
            self._bars.append((stack.enter_context(bar), stack))
        elif "advance" in event and self._bars:
            self._bars[-1][0].advance(*event["advance"])
        elif "end" in event and self._bars:
            self._bars.pop()[1].close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._bars:
            self._bars.pop()[1].close()
        if self._file is not None:
            self._file.close()
