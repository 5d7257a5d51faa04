"""What a reader answers: items, out of a shard, which is a piece of a source that can be read on its own."""

from dataclasses import dataclass

from lilm.disk import writable
from lilm.errors import LilmError

MB = 1 << 20
SPLIT = 32 * MB  # a bigger file is read in ranges of so many bytes
BUNDLE = 8 * MB  # smaller files are read together up to so many bytes
RECORD_LIMIT = 64 * MB  # bytes; a longer line, record or file of one document is bad input


@dataclass(frozen=True, slots=True)
class Skip:
    """A text that its source says must not be used. rule and reason as in a Drop."""

    text: str
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Bad:
    """A line, a record or the rest of a file that is damaged and was left out.

    where: path:line, path@byte (of the decompressed file), or the path and the record's own name. records: how many
    are lost with it, as far as that is known.
    """

    where: str
    what: str
    remedy: str
    records: int = 1

    def error(self) -> LilmError:
        return LilmError(self.what, where=self.where, remedy=self.remedy)


class Identified(str):
    """A text whose record has an id of its own. where: as of Bad."""

    __slots__ = ("id", "where")
    id: str
    where: str

    def __new__(cls, text: str, id: str, where: str) -> "Identified":
        made = super().__new__(cls, text)
        made.id, made.where = id, where
        return made


Item = str | Skip | Bad


def identified(text: str, own: object, where: str) -> str:
    """The text with its record's own id. None, NaN and blank text stand where a record has none: such records do not
    repeat each other."""
    name = "" if own is None or own != own else str(own)
    return Identified(text, writable(name), writable(where)) if name.strip() else text


class Damaged(Exception):
    """What a reader raises when it can read no further in this file; `read` yields its `bad`."""

    def __init__(self, where: str, what: str, remedy: str) -> None:
        self.bad = Bad(where, what, remedy)
        super().__init__(self.bad.error().line())


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of a source. Depends on the source and its files only, never on who reads it.

    paths: one file, or consecutive small ones, or all files of a source that has a limit; none for made texts.
    begin, end: the range of one file, in bytes (jsonl, text) or rows (parquet); end None: to the end.
    weight: share of the work, in bytes on disk or documents to make.
    formats: of each path, where the source's format is auto.
    """

    source: str
    label: str
    weight: int
    paths: tuple[str, ...] = ()
    begin: int = 0
    end: int | None = None
    formats: tuple[str, ...] = ()
