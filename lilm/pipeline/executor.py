"""Runs shard tasks: in processes of this machine, or as Ray tasks on a cluster that shares the disk.

A task is a pure function of its argument that writes files whole or not at all; what it answers is small. So a task
may run anywhere, in any order, and again after a kill.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any, Literal, Protocol, TypeVar

from lilm.errors import LilmError

Task = TypeVar("Task")
Answer = TypeVar("Answer")
Kind = Literal["local", "ray"]
WATCH_SECONDS = 0.5


class Executor(Protocol):
    workers: int

    def run(self, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[tuple[int, Answer]]:
        """(index of the task, its answer) as they come; the first exception of a task ends it all."""
        ...


@contextmanager
def executor(kind: Kind, workers: int) -> Iterator[Executor]:
    """workers: processes; ignored by Ray, which has its own. Raises LilmError when Ray is wanted and not installed."""
    if kind == "ray":
        yield _Ray()
    elif workers == 1:
        yield _Inline()
    else:
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(os.getpid(),)
        ) as pool:
            try:
                yield _Pool(pool, workers)
            except KeyboardInterrupt:  # otherwise the pool waits until the tasks at work are done
                for process in active_children():
                    process.terminate()
                raise


class _Inline:
    workers = 1

    def run(self, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[tuple[int, Answer]]:
        for index, task in enumerate(tasks):
            yield index, function(task)


class _Pool:
    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self._pool, self.workers = pool, workers

    def run(self, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[tuple[int, Answer]]:
        futures = {self._pool.submit(function, task): index for index, task in enumerate(tasks)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise LilmError(
                "the system ended a process at work, as it does where memory runs out",
                where="corpus.workers",
                remedy="set it to fewer, or corpus.memory_mb to less; the same command goes on with what is done",
            ) from error
        except (Exception, GeneratorExit):  # not Ctrl-C: the pool's thread fails on cancelled futures of dead workers
            for future in futures:
                future.cancel()
            raise


def _start_worker(parent: int) -> None:
    # one process a core: threads inside them would only get into each other's way
    os.environ["POLARS_MAX_THREADS"] = "1"
    os.environ["RAYON_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches the workers too; the parent says what there is to say
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A worker whose parent was killed would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


class _Ray:
    """Tasks on the cluster that `ray.init` finds (RAY_ADDRESS), or one started on this machine."""

    def __init__(self) -> None:
        try:
            import ray
        except ImportError as error:
            raise LilmError(
                "the package ray is not installed", where='executor = "ray"', remedy="pip install 'lilm[ray]'"
            ) from error
        self._ray: Any = ray
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)
        self.workers = max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def run(self, function: Callable[[Task], Answer], tasks: Sequence[Task]) -> Iterator[tuple[int, Answer]]:
        remote = self._ray.remote(max_retries=2)(function)
        waiting = {remote.remote(task): index for index, task in enumerate(tasks)}
        try:
            while waiting:
                (done,), _ = self._ray.wait(list(waiting), num_returns=1)
                index = waiting.pop(done)
                yield index, self._answer(done)
        finally:
            for reference in waiting:
                self._ray.cancel(reference)

    def _answer(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, LilmError):
                raise error.cause from error
            raise
