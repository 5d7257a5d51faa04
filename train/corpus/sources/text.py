"""Plain text: a file is one document, or holds several with a separator between them."""

from collections.abc import Iterator
from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.base import MB, Bad, Damaged, Item
from lilm.train.corpus.sources.decoding import BOM_UTF16, decoded, is_utf8
from lilm.train.corpus.sources.files import opened, read_bytes
from lilm.train.corpus.sources.records import Record, stretches
from lilm.train.corpus.sources.separator import Separator


def read_file(path: Path, source: SourceConfig, begin: int = 0, end: int | None = None) -> Iterator[Item]:
    """The documents that begin in the bytes [begin, end). A file of more than SPLIT bytes that has no separator is cut
    at line ends. Bad: a document that does not fit the encoding, or is longer than RECORD_LIMIT."""
    if not can_be_cut(path, source):
        text = decoded(read_bytes(path), path, source.lang)
        yield from (part for part in (text.split(source.separator) if source.separator else [text]) if part.strip())
        return
    with opened(path) as stream:
        if source.separator:
            records = Separator(source.separator).split(stream, begin, end)
        else:
            records = stretches(stream, base.SPLIT, begin, end)
        for record in records:
            item = _document(record, path, source)
            if isinstance(item, Bad) or item.strip():
                yield item


def can_be_cut(path: Path, source: SourceConfig) -> bool:
    """Whether its bytes can be cut before they are decoded: not those of UTF-16, and at a separator those of UTF-8."""
    with opened(path) as stream:
        head = stream.read1(MB)
    return is_utf8(head, source.lang) if source.separator else not head.startswith(BOM_UTF16)


def _document(record: Record, path: Path, source: SourceConfig) -> str | Bad:
    if record.data is None:
        where = f"{path}@{record.offset}"
        return Bad(where, f"more than {base.RECORD_LIMIT / MB:g} MB in one document", "check `separator`")
    try:
        return decoded(record.data, path, source.lang, record.offset)
    except Damaged as damage:
        return damage.bad
