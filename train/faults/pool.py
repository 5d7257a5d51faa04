"""Workers that are watched: one that takes too long or too much memory is ended, and another begins."""

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from lilm.train.faults.case import Case, Outcome
from lilm.train.faults.worker import STARTED, main

SECONDS = 20.0  # of a core's time, which a busy machine does not shorten
WAIT = 300.0  # seconds on the clock in which it waits for something and computes nothing
LOADING = 1_800.0  # seconds on the clock until a kind's libraries are loaded and a whole seed is read
MEMORY = 2_000_000_000  # bytes, of the process and its children
LOOK = 0.1  # seconds between looks
GAP = 1.0  # seconds at most that count between two looks: a machine that stood still tells nothing
WAITING = (psutil.STATUS_SLEEPING, psutil.STATUS_DISK_SLEEP, psutil.STATUS_IDLE)


@dataclass
class _Worker:
    process: Any
    pipe: Any
    folder: Path
    case: Case | None = None
    given: float = 0.0  # when, on the clock
    looked: float = 0.0  # when last
    waited: float = 0.0  # seconds
    used: float | None = None  # seconds of a core before the case; None until it has started


class Pool:
    """Use it in a `with`. folder: an empty one, for all that workers write. kinds: the module whose KINDS are read."""

    def __init__(
        self,
        workers: int,
        folder: Path,
        kinds: str = "lilm.train.faults.kinds",
        seconds: float = SECONDS,
        memory: int = MEMORY,
        wait: float = WAIT,
    ) -> None:
        self._folder, self._kinds = folder, kinds
        self._seconds, self._memory, self._wait = seconds, memory, wait
        self._made = 0
        self._workers = [self._new() for _ in range(workers)]

    def run(self, cases: Iterable[Case]) -> Iterator[tuple[Case, Outcome]]:
        """Each case with its outcome, as they come. Raises RuntimeError for a whole seed that is not read."""
        waiting = iter(cases)
        more = True
        while True:
            for at, worker in enumerate(self._workers):
                if worker.case is None and more:
                    case = next(waiting, None)
                    more = case is not None
                    if case is not None:
                        self._workers[at] = self._give(worker, case)
            busy = [worker for worker in self._workers if worker.case is not None]
            if not busy:
                return
            connection.wait([worker.pipe for worker in busy], LOOK)
            for at, worker in enumerate(self._workers):
                if worker.case is None:
                    continue
                outcome = self._answer(worker) or self._too_much(worker)
                if outcome is not None:
                    yield worker.case, outcome
                    worker.case = None
                    if not worker.process.is_alive() or outcome.what in ("hang", "over_memory"):
                        self._end(worker)
                        self._workers[at] = self._new()

    def _give(self, worker: _Worker, case: Case) -> _Worker:
        worker.case, worker.given, worker.used = case, time.monotonic(), None
        worker.pipe.send(case)
        return worker

    def _answer(self, worker: _Worker) -> Outcome | None:
        """What the worker said of its case, if anything."""
        while worker.pipe.poll():
            try:
                said = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                code = worker.process.exitcode
                return Outcome("traceback", f"the process died ({code})", _log(worker.folder))
            if said != STARTED:
                if worker.used is None:
                    raise RuntimeError(f"the whole {worker.case} is not read: {said.signature}\n{said.text}")
                return Outcome(said.what, said.signature, said.text)
            worker.given, worker.used = time.monotonic(), _seconds(worker.process.pid)
            worker.looked, worker.waited = worker.given, 0.0
        return None

    def _too_much(self, worker: _Worker) -> Outcome | None:
        kind = worker.case.kind if worker.case is not None else ""
        on_clock = time.monotonic() - worker.given
        if worker.used is None:
            if on_clock > LOADING:
                raise RuntimeError(f"the whole {worker.case} is not read within {LOADING:g} seconds")
            return None
        family = _family(worker.process.pid)
        memory = sum(map(_memory, family))
        if memory > self._memory:
            return Outcome("over_memory", kind, f"{memory >> 20} MB")
        gap, worker.looked = time.monotonic() - worker.looked, time.monotonic()
        if all(map(_is_waiting, family)):
            worker.waited += min(gap, GAP)
        if worker.waited > self._wait or _seconds(worker.process.pid) - worker.used > self._seconds:
            return Outcome("hang", kind, f"{on_clock:.0f} seconds")
        return None

    def _new(self) -> _Worker:
        folder = self._folder / f"worker-{self._made}"
        folder.mkdir()
        self._made += 1
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=main, args=(theirs, folder, self._kinds))
        process.start()
        theirs.close()
        return _Worker(process, ours, folder)

    def _end(self, worker: _Worker) -> None:
        """Ends the worker with all that it has started."""
        for one in _family(worker.process.pid):
            with suppress(psutil.NoSuchProcess):
                one.kill()
        worker.process.join()
        worker.pipe.close()
        shutil.rmtree(worker.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            self._end(worker)


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _is_waiting(process: psutil.Process) -> bool:
    """Says whether it waits for something to happen, not for a core, nor to be let go on."""
    try:
        return process.status() in WAITING
    except psutil.NoSuchProcess:
        return True


def _seconds(pid: int) -> float:
    """Returns the core seconds of the process and its children, those that have ended too."""
    total = 0.0
    for process in _family(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _log(folder: Path) -> str:
    return (folder / "log").read_text(encoding="utf-8", errors="replace")[-10_000:]
