"""Which reader belongs to which format, and what can be checked before anything is read."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

from lilm.disk import file_version
from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Bad, Damaged, Item, Shard
from lilm.train.corpus.sources.files import matching_files, readable

MADE = ("stories", "hub")  # formats without files
CUT = ("text", "jsonl", "parquet")  # formats of which a part of a file can be read
READERS = {
    "text": "lilm.train.corpus.sources.text",
    "aozora": "lilm.train.corpus.sources.aozora",
    "jsonl": "lilm.train.corpus.sources.jsonl",
    "parquet": "lilm.train.corpus.sources.parquet",
    "squad": "lilm.train.corpus.sources.squad",
    "html": "lilm.train.corpus.sources.html",
    "warc": "lilm.train.corpus.sources.warc",
    "mediawiki": "lilm.train.corpus.sources.mediawiki",
}
"""Module of each format that reads files, imported when it is needed: some load heavy libraries."""
FileReader = Callable[..., Iterator[Item]]  # (path, source), those of CUT also (begin, end)


def read(shard: Shard, source: SourceConfig, seed: int) -> Iterator[Item]:
    """The shard's items in order; with a `limit`, so many that are not Bad.

    Damaged input comes as Bad, where it stands. Raises LilmError for what is not about data: a file that is gone or
    may not be read, a dataset that cannot be opened.
    """
    items = _items(shard, source, seed)
    return _limited(items, source.limit) if source.limit else items


def _items(shard: Shard, source: SourceConfig, seed: int) -> Iterator[Item]:
    if source.format == "stories":
        from lilm.train.corpus.sources.stories import read_stories

        yield from read_stories(source, seed)
    elif source.format == "hub":
        from lilm.train.corpus.sources.hub import read_hub

        yield from read_hub(source)
    else:
        reader = _reader(source.format)
        part = (shard.begin, shard.end) if source.format in CUT else ()
        for name in shard.paths:
            path = Path(name)
            try:
                with readable(path):
                    yield from reader(path, source, *part)
            except Damaged as damage:
                yield damage.bad


def _limited(items: Iterator[Item], limit: int) -> Iterator[Item]:
    for item in items:
        yield item
        limit -= not isinstance(item, Bad)
        if not limit:
            return


def _reader(name: str) -> FileReader:
    reader: FileReader = importlib.import_module(READERS[name]).read_file
    return reader


def check_source(source: SourceConfig) -> None:
    """Raises LilmError when the source cannot be there: no file, or only empty files."""
    if source.format in MADE:
        return
    if not any(path.stat().st_size for path in matching_files(source)):
        raise LilmError(
            "nothing in it", where=f"corpus source {source.name}: {source.path}", remedy="name a file that has text"
        )


def fingerprints(source: SourceConfig) -> dict[str, str]:
    """path -> "size:mtime_ns" of the source's files; empty for sources without files."""
    if source.format in MADE:
        return {}
    return {str(path): file_version(path) for path in matching_files(source)}
