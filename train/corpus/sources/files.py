"""Files by glob, plain or compressed."""

import glob
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from lilm.errors import LilmError
from lilm.recipe import SourceConfig

CHUNK = 1 << 20


def matching_files(source: SourceConfig) -> list[Path]:
    """The files of `source.path`, sorted by path. Raises LilmError when there are none."""
    where = f"corpus source {source.name}: {source.path}"
    if Path(source.path).is_dir():
        raise LilmError("is a folder", where=where, remedy=f"name the files in it, such as {source.path}/**/*.txt")
    files = sorted(Path(name) for name in glob.glob(source.path, recursive=True))  # noqa: PTH207 - absolute patterns
    files = [path for path in files if path.is_file()]
    if not files:
        what = "no file matches" if glob.has_magic(source.path) else "no such file"
        raise LilmError(what, where=where, remedy="correct the path (it is relative to the recipe)")
    return files


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes as a stream; .gz, .xz and .zst are decompressed.

    Raises LilmError when the compressed data is cut short or broken.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as stream:
                yield io.BufferedReader(stream)
        elif path.suffix == ".xz":
            with lzma.open(path, "rb") as stream:
                yield io.BufferedReader(stream)
        elif path.suffix == ".zst":
            with path.open("rb") as file:
                yield io.BufferedReader(_ZstdReader(file), CHUNK)
        else:
            with path.open("rb") as stream:
                yield stream
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise broken(path, str(error)) from error


class _ZstdReader(io.RawIOBase):
    """Decompressed bytes of one or more zstd frames; EOFError when the last one stops early.

    zstandard's own stream reader takes a file that was cut short for a whole one.
    """

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._file, self._new, self._error = file, zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError
        self._frame, self._inside, self._ready = self._new(), False, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if self._frame.eof:
                data, self._frame, self._inside = self._frame.unused_data, self._new(), False
            else:
                data = b""
            data = data or self._file.read(CHUNK)
            if not data:
                if self._inside:
                    raise EOFError("the last zstd frame has no end")
                return 0
            self._inside = True
            try:
                self._ready = self._frame.decompress(data)
            except self._error as error:
                raise EOFError(str(error)) from error
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def broken(path: Path, why: str) -> LilmError:
    return LilmError(f"broken or cut short ({why})", where=str(path), remedy="fetch the file again")


def read_bytes(path: Path) -> bytes:
    """The whole file, decompressed. Raises LilmError as `opened`."""
    with opened(path) as stream:
        return stream.read()
