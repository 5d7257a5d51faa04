"""Decompressed bytes of a file as they come: all that stands before a break is given, then Damaged is raised."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lilm.train.corpus.sources.base import Damaged

CHUNK = 1 << 17
# What the decompressor is given at once. A zstd block of 4 bytes can hold 128 KB, so 16 MB come out at most.
ZSTD_SLICE = 512


class Unpacked(io.RawIOBase):
    """A stream of blocks. The standard library's own streams drop what they have read so far when they fail."""

    def __init__(self, blocks: Iterator[bytes], path: Path) -> None:
        self._blocks, self._path = blocks, path
        self._ready, self._given = memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._ready:
            self._ready = memoryview(self._next())
        size = min(len(buffer), len(self._ready))
        self._given += size
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def _next(self) -> bytes:
        try:
            return next(self._blocks, b"")
        except (EOFError, lzma.LZMAError, zlib.error) as error:
            raise self._broken(error) from error
        except OSError as error:
            if error.errno is not None:  # the disk, not the data
                raise
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> Damaged:
        return Damaged(f"{self._path}@{self._given}", f"broken or cut short ({error})", "fetch the file again")


def _gzip(file: BinaryIO) -> Iterator[bytes]:
    with gzip.open(file) as stream:
        while block := stream.read1(CHUNK):
            yield block


def _xz(file: BinaryIO) -> Iterator[bytes]:
    with lzma.open(file) as stream:
        while block := stream.read1(CHUNK):
            yield block


def _bz2(file: BinaryIO) -> Iterator[bytes]:
    with bz2.open(file) as stream:
        while block := stream.read1(CHUNK):
            yield block


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    """One or more frames. zstandard's own stream reader takes a file that was cut short for a whole one."""
    import zstandard

    new = zstandard.ZstdDecompressor().decompressobj
    frame, inside = new(), False
    while data := file.read(ZSTD_SLICE):
        while data:
            inside = True
            try:
                block = frame.decompress(data)
            except zstandard.ZstdError as error:
                raise EOFError(str(error)) from error
            if block:
                yield block
            data = b""
            if frame.eof:
                data, frame, inside = frame.unused_data, new(), False
    if inside:
        raise EOFError("the last zstd frame has no end")


UNPACK: dict[str, Callable[[BinaryIO], Iterator[bytes]]] = {".gz": _gzip, ".xz": _xz, ".bz2": _bz2, ".zst": _zstd}
