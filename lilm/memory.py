"""Peak memory of this process and its children while a block of work runs."""

import threading
from types import TracebackType
from typing import Self

import psutil

INTERVAL = 0.2  # seconds between looks; a shorter peak may be missed


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
