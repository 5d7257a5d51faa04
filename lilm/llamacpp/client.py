"""The parent's end of a llama.cpp child: starts it, asks it, and starts it anew when it died.

A request is {"do": command, ...}. The answer is any number of {"part": ...} and then one message without it, which is
{"refused": why} where the request failed. {"stop": true} ends the running request early, {"add": {...}} brings more to
one that takes it.
"""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from lilm.child import child_command
from lilm.closing import Closing
from lilm.errors import LilmError
from lilm.llamacpp.wire import Array, read_message, write_message
from lilm.pipeline.artifact import how_to_replace

WORKER = "lilm.llamacpp.worker"
LAST_LINES = 8  # of what a child said, in an error

# Threads wait for each other many times per token, and soon sleep while they do. Spinning, as is the default, two of
# them are up to a hundred times slower than one when other work has the cores.
CALM = {"GOMP_SPINCOUNT": "1000"}
# To measure on a quiet machine: sleeping at each barrier makes two threads slower than one in small models.
EAGER = {"OMP_WAIT_POLICY": "active"}

Answer = tuple[dict[str, Any], list[Array]]


class Refused(Exception):
    """The child could not do what was asked; it lives on. Where nobody foresaw it, its traceback is a note."""


class LlamaClient(Closing):
    """llama.cpp in a child process, one request at a time. Use it in a `with`; the child ends with the block, and with
    this process however that ends.

    file: the GGUF file that it is about. opening: the request that each new child gets first, with its command as "do";
    `opened` is the answer to it. eager: threads spin at barriers. where: what errors name, the file if not given.
    Raises LilmError when the child refuses the opening or dies of it.
    """

    def __init__(
        self, file: Path, opening: Mapping[str, Any] | None = None, *, eager: bool = False, where: str = ""
    ) -> None:
        self._file, self._opening, self._eager, self._where = file, opening, eager, where or str(file)
        self.opened: dict[str, Any] = {}
        self._child: _Child | None = None
        self._living()

    @property
    def pid(self) -> int | None:
        """The process id of the child; None where there is none at the moment."""
        return self._child.pid if self._child else None

    def ask(self, do: str, **values: Any) -> Answer:
        """Have one command done. Raises Refused with the child's reason, LilmError with its last words if it dies; the
        next request then gets a new child."""
        return _last(self.parts(do, **values))

    def parts(self, do: str, **values: Any) -> Generator[Any, None, Answer]:
        """Asks as `ask` does, and yields what comes before the answer. Left early, it stops the command."""
        child = self._living()
        try:
            return (yield from child.parts({"do": do, **values}))
        except _Died as error:
            self.close()
            raise self._death(error) from error
        except (Refused, GeneratorExit):
            raise
        except BaseException:  # Ctrl-C, perhaps in the middle of a message
            self.close()
            raise

    def stop(self) -> None:
        """End the running command early, from any thread; without one nothing happens."""
        if (child := self._child) is not None:
            child.stop()

    def add(self, **values: Any) -> None:
        """Bring more to the running command, from any thread; without a child nothing happens."""
        if (child := self._child) is not None:
            child.add(values)

    def close(self) -> None:
        """End the child, also in the middle of its work."""
        child, self._child = self._child, None
        if child is not None:
            child.close()

    def _living(self) -> "_Child":
        if self._child is None:
            child = _Child(self._eager)
            try:
                if self._opening is not None:
                    self.opened, _ = _last(child.parts(self._opening))
            except BaseException as error:
                child.close()
                if isinstance(error, _Died):
                    raise self._death(error) from error
                if isinstance(error, Refused):
                    what, remedy = f"llama.cpp cannot load it: {error}", how_to_replace(self._file)
                    raise LilmError(what, where=self._where, remedy=remedy) from error
                raise
            self._child = child
        return self._child

    def _death(self, error: "_Died") -> LilmError:
        remedy = f"try again; if that fails too, {how_to_replace(self._file)}"
        return LilmError(str(error), where=self._where, remedy=remedy)


class _Died(Exception):
    """The child ended by itself: a crash in native code, or no memory left."""


class _Child:
    """One process, from its start to its end."""

    def __init__(self, eager: bool) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._writing = threading.Lock()
        self._process = process = subprocess.Popen(
            child_command(WORKER),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **EAGER} if eager else {**CALM, **os.environ},
            start_new_session=True,  # Ctrl-C reaches the parent only, which then closes the pipe
        )
        self.pid = process.pid
        self._to, self._from = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)

    def parts(self, request: Mapping[str, Any]) -> Generator[Any, None, Answer]:
        try:
            self._send(request)
            while "part" in (message := read_message(self._from))[0]:
                try:
                    yield message[0]["part"]
                except GeneratorExit:
                    if not self._from.closed:
                        self.stop()
                        while "part" in read_message(self._from)[0]:
                            pass
                    raise
        except (EOFError, BrokenPipeError) as error:
            raise _Died(f"the llama.cpp process {self._end()} during {request['do']}: {self._said()}") from error
        head, arrays = message
        if "refused" in head:
            refused = Refused(head["refused"])
            if "trace" in head:
                refused.add_note(head["trace"])
            raise refused
        return head, arrays

    def stop(self) -> None:
        with suppress(BrokenPipeError, ValueError):  # the dead and the closed do nothing that could be stopped
            self._send({"stop": True})

    def add(self, values: Mapping[str, Any]) -> None:
        with suppress(BrokenPipeError, ValueError):  # dead, or closed: whoever reads the command's parts is told of it
            self._send({"add": values})

    def close(self) -> None:
        with suppress(BrokenPipeError):  # it died with unread requests; nothing is lost
            self._to.close()
        self._process.wait()
        self._from.close()
        self._log.close()

    def _send(self, head: Mapping[str, Any]) -> None:
        with self._writing:
            write_message(self._to, head)

    def _end(self) -> str:
        code = self._process.wait()
        return (
            f"ended with signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
        )

    def _said(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", errors="replace").splitlines()
        return " | ".join([line.strip() for line in lines if line.strip()][-LAST_LINES:]) or "it said nothing"


def _last(parts: Generator[Any, None, Answer]) -> Answer:
    while True:
        try:
            next(parts)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
