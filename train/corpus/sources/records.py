"""Records out of a stream of bytes, in a byte range: a record belongs to the range in which it begins.

So the ranges of a file, read apart and put together, give what the file gives when it is read at once.
"""

import io
from collections.abc import Iterator
from typing import NamedTuple

from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.compressed import CHUNK


class Record(NamedTuple):
    """offset: of its first byte in the (decompressed) file. data: None when it is longer than RECORD_LIMIT; such a
    record is passed over without being held."""

    offset: int
    data: bytes | None


def lines(stream: io.BufferedReader, begin: int = 0, end: int | None = None) -> Iterator[Record]:
    """Lines, with their \\n, that begin in [begin, end). A `begin` needs a stream that can seek."""
    position = _to_a_line(stream, begin)
    while end is None or position < end:
        line = stream.readline(base.RECORD_LIMIT + 1)
        if not line:
            return
        if len(line) <= base.RECORD_LIMIT:
            yield Record(position, line)
            position += len(line)
        else:
            yield Record(position, None)
            position += len(line) + _rest_of_line(stream, line)


def stretches(stream: io.BufferedReader, size: int, begin: int = 0, end: int | None = None) -> Iterator[Record]:
    """The lines that begin in the same `size` bytes, together, for those in [begin, end), a multiple of `size` each."""
    position = _to_a_line(stream, begin)
    while end is None or position < end:
        wanted = size - position % size
        data = stream.read(wanted)
        if not data:
            return
        if len(data) < wanted or data.endswith(b"\n"):
            yield Record(position, data)
            position += len(data)
            continue
        last = data.rfind(b"\n") + 1  # this line goes on
        rest = stream.readline(base.RECORD_LIMIT + 1 - (len(data) - last))
        if len(data) - last + len(rest) <= base.RECORD_LIMIT:
            yield Record(position, data + rest)
            position += len(data) + len(rest)
        else:
            if last:
                yield Record(position, data[:last])
            yield Record(position + last, None)
            position += len(data) + len(rest) + _rest_of_line(stream, rest)


def _to_a_line(stream: io.BufferedReader, begin: int) -> int:
    """Go to where the first line starts that does not start before `begin`."""
    if not begin:
        return 0
    stream.seek(begin - 1)
    return begin - 1 + _rest_of_line(stream, b"")


def _rest_of_line(stream: io.BufferedReader, read: bytes) -> int:
    """Read to the end of the line of which `read` was read, and forget it. Returns the bytes passed."""
    passed = 0
    while not read.endswith(b"\n") and (read := stream.readline(CHUNK)):
        passed += len(read)
    return passed
