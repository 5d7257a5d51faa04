"""Starts the llama.cpp child, talks to it, and says what it said last when it dies."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import lilm
from lilm.llamacpp.wire import Array, read_message, write_message

LAST_LINES = 8
# -P keeps the working folder out of the import path; the package's own place goes to its end.
START = "import sys; sys.path.append(sys.argv[1]); from lilm.llamacpp.child import main; main()"

# Threads that wait sleep. Spinning, two of them are up to 50 times slower than one when other work has the cores.
CALM = {"OMP_WAIT_POLICY": "passive"}
# To measure on a quiet machine: sleeping at each barrier makes two threads slower than one in small models.
EAGER = {"OMP_WAIT_POLICY": "active"}


class Refused(Exception):
    """llama.cpp answered with an error; the child lives on."""


class ChildDied(RuntimeError):
    """The child process ended by itself: a crash in native code, or no memory left."""


class LlamaProcess:
    """One child process. Use it in a `with`; it ends with the block, and with this process however that ends."""

    def __init__(self, eager: bool = False) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        root = Path(lilm.__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **EAGER} if eager else {**CALM, **os.environ},
            start_new_session=True,  # Ctrl-C reaches the parent only, which then closes the pipe
        )

    def ask(
        self, do: str, on_progress: Callable[[int, int], None] | None = None, **values: Any
    ) -> tuple[dict[str, Any], list[Array]]:
        """Have one command done. Raises Refused with llama.cpp's message, ChildDied with its last log lines."""
        if self._process.stdin is None or self._process.stdout is None:
            raise ChildDied("the pipes to the llama.cpp process are closed")
        try:
            write_message(self._process.stdin, {"do": do, **values})  # type: ignore[arg-type]
            while True:
                head, arrays = read_message(self._process.stdout)  # type: ignore[arg-type]
                if "progress" not in head:
                    break
                if on_progress is not None:
                    on_progress(*head["progress"])
        except (EOFError, BrokenPipeError) as error:
            code = self._process.wait()
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise ChildDied(f"llama.cpp process ended with {ended} during {do}: {self.last_lines()}") from error
        if "refused" in head:
            raise Refused(head["refused"])
        return head, arrays

    def last_lines(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", errors="replace").splitlines()
        return " | ".join([line.strip() for line in lines if line.strip()][-LAST_LINES:]) or "it said nothing"

    def close(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(BrokenPipeError):  # it died with unread commands; nothing is lost
                self._process.stdin.close()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
