"""Documents with a separator between them, out of a stream of UTF-8 bytes; ranges as in `records`."""

import io
import mmap
import re
from collections.abc import Iterator

from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.compressed import CHUNK
from lilm.train.corpus.sources.records import Record

_LINE_END = rb"(?>\r\n|\n|\r)"  # atomic: \r\n is never two


class Separator:
    """text: as in the recipe; its \\n match \\r\\n and \\r as well."""

    def __init__(self, text: str) -> None:
        parts = [re.escape(part) for part in text.encode().split(b"\n")]
        self._pattern = _LINE_END.join(parts)
        self._longest = len(text.encode()) + len(parts) - 1

    def split(self, stream: io.BufferedReader, begin: int = 0, end: int | None = None) -> Iterator[Record]:
        """The records, empty ones too, that begin in [begin, end). A `begin` needs a file that can be mapped."""
        search = re.compile(self._pattern).search
        start = self._surely_outside(stream, begin)
        if start:
            stream.seek(start)
        held, searched, dropped, at_end = bytearray(), 0, 0, False
        while end is None or start < end:
            match = search(held, searched)
            if not at_end and (match is None or match.end() == len(held)):  # a \n that follows may belong to it
                searched = max(0, len(held) - self._longest)
                if dropped or len(held) > base.RECORD_LIMIT + self._longest:
                    del held[:searched]
                    dropped, searched = dropped + searched, 0
                more = stream.read1(CHUNK)  # one read: what stands before a break is not lost
                held += more
                at_end = not more
                continue
            size = match.start() if match else len(held)
            if start >= begin:
                yield Record(start, bytes(held[:size]) if dropped + size <= base.RECORD_LIMIT else None)
            if match is None:
                return
            del held[: match.end()]
            start, searched, dropped = start + dropped + match.end(), 0, 0

    def _surely_outside(self, stream: io.BufferedReader, begin: int) -> int:
        """A position before `begin` that no separator can straddle: a search from there finds what a search from the
        file's start finds, though separators may overlap themselves, as blank lines do."""
        if not begin:
            return 0
        overlapping = re.compile(b"(?=(" + self._pattern + b"))")
        width = 1 << 12
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            while True:
                first = max(0, begin - width)
                low, high = 0, -1  # the last positions in a row that may be straddled
                for match in overlapping.finditer(data, first, begin + self._longest):
                    if match.start() > begin - 2:
                        break
                    if match.start() > high:
                        low = match.start() + 1
                    high = max(high, match.end(1) - 1)
                outside = low - 1 if low < begin <= high + 1 else begin - 1
                if first == 0 or outside >= first + self._longest:
                    return outside
                width *= 16
