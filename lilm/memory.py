"""Peak memory: of this process and its children while a block of work runs, or of one process so far."""

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

STATUS = "/proc/{}/status"  # of Linux
INTERVAL = 0.2  # seconds between looks; a shorter peak may be missed


def peak_mb(pid: int) -> float | None:
    """The most resident memory that the living process ever had, megabytes; None where the system does not tell."""
    try:
        lines = Path(STATUS.format(pid)).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = next((line.split()[1] for line in lines if line.startswith("VmHWM:")), None)
    return None if found is None else round(int(found) * 1024 / 1e6, 1)


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
            total = process.memory_info().rss
            for child in process.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:  # it ended between the list and the look
                    continue
            self._bytes = max(self._bytes, total)
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
