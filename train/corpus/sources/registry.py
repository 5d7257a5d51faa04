"""Which reader belongs to which format, and what can be checked before anything is read."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Item, Shard
from lilm.train.corpus.sources.files import matching_files

FileReader = Callable[[Path, SourceConfig], Iterator[Item]]
MADE = ("stories", "hub")  # formats without files


def _reader(name: str) -> FileReader:
    """`read_file` of the format's module, imported when it is needed: some readers load heavy libraries."""
    reader: FileReader = importlib.import_module(f"lilm.train.corpus.sources.{name}").read_file
    return reader


def shards(source: SourceConfig, seed: int) -> list[Shard]:
    """The shards of a source in a fixed order. Raises LilmError as `check_source` does."""
    if source.format == "stories":
        from lilm.train.corpus.sources.stories import read_stories

        return [Shard(source.name, source.limit, partial(read_stories, source, seed))]
    if source.format == "hub":
        from lilm.train.corpus.sources.hub import read_hub

        return [Shard(source.name, source.limit or 1, partial(read_hub, source))]
    reader = _reader(source.format)
    return [
        Shard(path.name, max(1, path.stat().st_size), partial(reader, path, source)) for path in matching_files(source)
    ]


def check_source(source: SourceConfig) -> None:
    """Raises LilmError when the source cannot be there: no file, only empty files, a missing package."""
    if source.format == "hub" and importlib.util.find_spec("datasets") is None:
        raise LilmError(
            "format 'hub' needs the package datasets",
            where=f"corpus source {source.name}",
            remedy="pip install 'datasets>=4'",
        )
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
    stats = {str(path): path.stat() for path in matching_files(source)}
    return {path: f"{stat.st_size}:{stat.st_mtime_ns}" for path, stat in stats.items()}
