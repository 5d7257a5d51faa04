"""Plain text: a file is one document, or holds several with a separator between them."""

from collections.abc import Iterator
from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Item
from lilm.train.corpus.sources.decoding import decode
from lilm.train.corpus.sources.files import read_bytes


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    text = decode(read_bytes(path), path, source.lang).replace("\r\n", "\n").replace("\r", "\n")
    parts = text.split(source.separator) if source.separator else [text]
    yield from (part for part in parts if part.strip())
