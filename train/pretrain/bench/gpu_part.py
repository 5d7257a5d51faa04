"""A part of a benchmark in a process of its own, which is ended when its time is up: what it had said by then counts.

A compilation cannot be told to stop, and a kernel that reads where it must not takes the whole process with it.
"""

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from lilm.errors import LilmError

FAILED, REFUSED = "failed", "refused"


@dataclass(frozen=True)
class Teller:
    """What a part speaks through. deadline: when it is ended, in seconds since the epoch."""

    told: Callable[[dict[str, Any]], None]
    deadline: float

    def tell(self, **figures: Any) -> None:
        """Figures of JSON values; told again under the same name, the new ones count."""
        self.told(figures)

    def left(self) -> float:
        return self.deadline - time.time()


Part = Callable[[Any, Teller], None]


def run_part(part: Part, settings: Any, deadline: float, told: Callable[[dict[str, Any]], None]) -> str:
    """Run `part(settings, teller)` until `deadline`; `told` gets what it tells, as it comes.

    settings: anything that can be pickled. Returns how it ended: "" when it was done, else a few words.
    Raises the LilmError that it raises.
    """
    context = get_context("spawn")
    mine, its = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(part, settings, deadline, its))
    process.start()
    its.close()
    try:
        while mine.poll(max(0.0, deadline - time.time())):
            try:
                kind, what = mine.recv()
            except EOFError:
                process.join()
                return "" if process.exitcode == 0 else f"its process ended with status {process.exitcode}"
            if kind == REFUSED:
                raise LilmError(what["what"], where=what["where"], remedy=what["remedy"])
            if kind == FAILED:
                return str(what)
            told(what)
        return "its time was up"
    finally:
        process.kill()
        process.join()


def last_line(error: BaseException) -> str:
    """What an exception says, in a line; the whole of it is printed."""
    traceback.print_exception(error, file=sys.stderr)
    return " ".join(traceback.format_exception_only(error)[-1].split())[:300]


def _run(part: Part, settings: Any, deadline: float, connection: Connection) -> None:
    try:
        part(settings, Teller(lambda figures: connection.send(("told", figures)), deadline))
    except LilmError as error:
        connection.send((REFUSED, {"what": error.what, "where": error.where, "remedy": error.remedy}))
    except Exception as error:
        connection.send((FAILED, last_line(error)))
