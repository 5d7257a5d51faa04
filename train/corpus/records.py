"""More numbers than memory holds: records in files, put in order there, read part after part.

A record is a row of uint64; a file of them has nothing else. They are memory-mapped: what is read of a file is the
system's to keep or to forget.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from lilm.disk import replacing
from lilm.train.corpus import _native

CHUNK = 1 << 16  # records looked at together
LEAST = 16  # records of a run, however little memory there is

Records = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
Places = np.ndarray[tuple[int], np.dtype[np.int64]]


def read_records(path: Path, columns: int) -> Records:
    """All of a file, memory-mapped, [records, columns]."""
    if not path.stat().st_size:
        return np.empty((0, columns), dtype=np.uint64)
    return np.memmap(path, dtype=np.uint64, mode="r").reshape(-1, columns)


class RecordWriter:
    """Writes a file of records from its beginning to its end. written: records so far."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.written = 0

    def write(self, records: "np.ndarray[Any, np.dtype[np.uint64]]") -> None:
        self._file.write(np.ascontiguousarray(records).data)
        self.written += len(records)


@contextmanager
def write_records(path: Path) -> Iterator[RecordWriter]:
    """Yields a writer of the file `path`, which is there whole when the block ends, or not at all."""
    with replacing(path) as part, part.open("wb") as file:
        yield RecordWriter(file)


class Sorter:
    """Records put in the order of their columns, the first one first. What `memory` (bytes) holds is sorted there;
    beyond that, sorted runs go to files beside `path` and are merged in a file (Knuth, vol. 3, 5.4). The files are
    gone when the `with` block ends."""

    def __init__(self, path: Path, columns: int, memory: int) -> None:
        self._path, self._columns = path, columns
        self._room = max(LEAST, memory // (8 * columns))
        self._held: Records = np.empty((0, columns), dtype=np.uint64)
        self._count = 0
        self._files: list[Path] = []

    def add(self, records: Records) -> None:
        while len(records):
            if not len(self._held):  # pages that are not written to cost nothing
                self._held = np.empty((self._room, self._columns), dtype=np.uint64)
            if self._count == self._room:
                self._spill()
            some = records[: self._room - self._count]
            self._held[self._count : self._count + len(some)] = some
            self._count += len(some)
            records = records[len(some) :]

    def sorted(self) -> Records:
        """All records, [records, columns]; nothing can be added after that."""
        if not self._files:
            return self._in_order()
        self._spill()
        self._held = np.empty((0, self._columns), dtype=np.uint64)
        runs = [read_records(path, self._columns) for path in self._files]
        whole = self._file()
        merged = np.memmap(whole, np.uint64, mode="w+", shape=(sum(map(len, runs)), self._columns))
        _native.merge_records(runs, merged)
        for path in self._files[:-1]:
            path.unlink()
        return merged

    def _in_order(self) -> Records:
        held = self._held[: self._count]
        _native.sort_records(held)
        return held

    def _spill(self) -> None:
        self._in_order().tofile(self._file())
        self._count = 0

    def _file(self) -> Path:
        self._files.append(self._path.with_name(f"{self._path.name}.run-{len(self._files):05d}"))
        return self._files[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for path in self._files:
            path.unlink(missing_ok=True)


def chunks(records: Records) -> Iterator[Records]:
    for start in range(0, len(records), CHUNK):
        yield records[start : start + CHUNK]


def group_firsts(records: Records, columns: int) -> Iterator[tuple[int, Places]]:
    """Chunk after chunk of sorted records: where it begins, and for each of its records the place of the first one
    with the same first `columns` columns."""
    last = 0
    for start in range(0, len(records), CHUNK):
        keys = records[start : start + CHUNK, :columns]
        new = np.ones(len(keys), dtype=bool)
        new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        if start:
            new[0] = (keys[0] != records[start - 1, :columns]).any()
        firsts = np.maximum.accumulate(np.where(new, np.arange(start, start + len(keys)), last))
        last = int(firsts[-1])
        yield start, firsts


def save_columns(path: Path, sources: Sequence[Path | Records]) -> None:
    """Write arrays [columns, records], or .npy files of such, side by side as one, whole or not at all."""
    shapes = [_columns(source).shape for source in sources]
    shape = (shapes[0][0], sum(records for _, records in shapes))
    with replacing(path) as part, part.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<u8", "fortran_order": False, "shape": shape})
        for column in range(shape[0]):
            for source in sources:
                values = _columns(source)[column]
                for at in range(0, len(values), CHUNK):
                    file.write(np.ascontiguousarray(values[at : at + CHUNK]).data)


def _columns(source: Path | Records) -> Records:
    """A file is open no longer than it is read."""
    if isinstance(source, Path):
        columns: Records = np.load(source, mmap_mode="r")
        return columns
    return source
