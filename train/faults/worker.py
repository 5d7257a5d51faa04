"""A process that reads spoilt inputs, one after another, and says what came of each."""

import importlib
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

from lilm.errors import LilmError
from lilm.train.faults.case import Case, Outcome
from lilm.train.faults.kinds import Kind, Read

STARTED = "started"
LONGEST_LINE = 2_000  # characters that still are one clear line
SAID = ("panicked at", "Traceback (most recent call last)")  # on the screen, though the error was caught


def main(connection: Connection, folder: Path, kinds: str) -> None:
    """Answers each Case with STARTED once its kind's libraries are loaded, and then with an Outcome. A whole seed that
    is not read is a mistake of the suite: the process ends with it.

    folder: an empty one, for inputs, outputs and temporary files. kinds: the module whose KINDS are read.
    """
    os.setsid()  # what a reader started ends with this process
    temporary = folder / "tmp"
    temporary.mkdir()
    (folder / "readers").mkdir()
    os.environ["TMPDIR"], tempfile.tempdir = str(temporary), None
    log = (folder / "log").open("w+b")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(log.fileno(), stream.fileno())
    known_kinds: Mapping[str, Kind] = importlib.import_module(kinds).KINDS
    with ExitStack() as stack:
        readers: dict[str, Read] = {}
        known: set[Path] = set()
        while True:
            try:
                case: Case = connection.recv()
            except EOFError:
                return
            if case.kind not in readers:
                readers[case.kind] = stack.enter_context(_opened(known_kinds[case.kind], folder / "readers"))
            read = readers[case.kind]
            if case.seed not in known:
                known.add(case.seed)
                whole = _tried(read, Case(case.kind, case.seed), folder, log.fileno())
                if whole.what != "read":
                    connection.send(whole)
                    return
            connection.send(STARTED)
            connection.send(_tried(read, case, folder, log.fileno()))


def _opened(kind: Kind, readers: Path) -> AbstractContextManager[Read]:
    own = readers / kind.name
    own.mkdir()
    return kind.reader(own)


def _tried(read: Read, case: Case, folder: Path, log: int) -> Outcome:
    place, out = folder / case.kind / case.seed.name, folder / "out"
    write_input(case, place)
    os.ftruncate(log, 0)
    os.lseek(log, 0, os.SEEK_SET)
    try:
        read(place, out)
        outcome = Outcome("read")
    except LilmError as error:
        outcome = _refusal(error, out, folder / "tmp")
    except MemoryError as error:
        outcome = Outcome("over_memory", _place(error), "".join(traceback.format_exception(error)))
    except BaseException as error:  # a panic in Rust is none of Python's exceptions
        outcome = Outcome("traceback", _place(error), "".join(traceback.format_exception(error)))
    said = os.pread(log, 1 << 20, 0).decode(errors="replace")
    if not outcome.is_fault and any(mark in said for mark in SAID):
        first = next(line for line in said.splitlines() if any(mark in line for mark in SAID))
        outcome = Outcome("traceback", f"on the screen: {first}", said)
    for path in (folder / case.kind, out, *(folder / "tmp").iterdir()):
        shutil.rmtree(path, ignore_errors=True)
        path.unlink(missing_ok=True) if path.is_file() else None
    return outcome


def write_input(case: Case, place: Path) -> None:
    """The seed with the spoilt file in it."""
    shutil.copytree(case.seed, place)
    if case.file is not None:
        (place / case.file).write_bytes(case.data)


def _refusal(error: LilmError, out: Path, temporary: Path) -> Outcome:
    line = error.line()
    if len(line) > LONGEST_LINE or any(0xD800 <= ord(char) < 0xE000 for char in line):
        return Outcome("traceback", f"a line that is too long or no text, {_place(error)}", repr(line))
    left = [path for folder in (out, temporary) if folder.exists() for path in folder.rglob("*") if path.is_file()]
    if left:
        return Outcome("half_written", f"{left[0].name}, {_place(error)}", f"{line}\n\nleft: {[*map(str, left)]}")
    return Outcome("refused", text=line)


def _place(error: BaseException) -> str:
    """The kind of the error and the innermost place in LiLM that it came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if "/lilm/" in one.filename and "/train/faults/" not in one.filename] or frames
    at = f"{Path(ours[-1].filename).name}, {ours[-1].name}" if ours else "nowhere"
    return f"{type(error).__name__} in {at}"
