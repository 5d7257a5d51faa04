"""Peak memory: of this process and its children while a block of work runs, and of this process alone, ever."""

import ctypes
import gc
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

STATUS = Path("/proc/self/status")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
INTERVAL = 0.2  # seconds between looks; a shorter peak may be missed


def peak_resident() -> int | None:
    """The most bytes that this process had resident since it began, to the page; None where the system is no Linux.
    (getrusage would also count what the parent had when it forked.)"""
    if not STATUS.is_file():
        return None
    fields = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii").splitlines() if ":" in line)
    return int(fields["VmHWM"].split()[0]) << 10


def give_back_freed_memory() -> None:
    """Make glibc's allocator take large blocks from the system and return them when they are freed, for the rest of
    this process. By itself it raises both of its thresholds with use, and what a server of many threads has freed stays
    in its heap in pieces. Other allocators are left as they are."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, 128 << 10)
        mallopt(_M_MMAP_THRESHOLD, 64 << 10)


def trim_memory() -> None:
    """Drop what only reference cycles hold, as trainers do, and then do as `trim_heap`. A training leaves gigabytes
    there, which what runs next has no use of."""
    gc.collect()
    trim_heap()


def trim_heap() -> None:
    """Return to the system what glibc's allocator keeps of freed blocks. Others are left as they are."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if malloc_trim is not None:
        malloc_trim(0)


def resident(process: psutil.Process) -> int:
    """Resident bytes of a process and all its children; shared pages count once for each."""
    total: int = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:  # it ended between the list and the look
            continue
    return total


class PeakMemory:
    """`with PeakMemory() as peak: ...`, then `peak.mb`: resident megabytes, children included (shared pages count
    once for each process)."""

    def __init__(self) -> None:
        self._bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def mb(self) -> float:
        return round(self._bytes / 1e6, 1)

    def _watch(self) -> None:
        process = psutil.Process()
        while True:
            self._bytes = max(self._bytes, resident(process))
            if self._stop.wait(INTERVAL):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
