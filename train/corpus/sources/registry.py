"""Which reader belongs to which format, and what can be checked before anything is read."""

import importlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path

from lilm.disk import file_version
from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Bad, Damaged, Item, Shard
from lilm.train.corpus.sources.detect import REFUSED, Kind, detect
from lilm.train.corpus.sources.files import matching_files, readable

AUTO = "auto"  # the format is found out, file by file
MADE = ("stories", "hub")  # formats without files
MANY = ("jsonl", "parquet", "csv", "warc", "mediawiki", "squad")  # formats with many records in a file
SHOWN = 10  # files in a message
CUT = ("text", "jsonl", "parquet")  # formats of which a part of a file can be read
READERS = {
    "text": "lilm.train.corpus.sources.text",
    "aozora": "lilm.train.corpus.sources.aozora",
    "jsonl": "lilm.train.corpus.sources.jsonl",
    "parquet": "lilm.train.corpus.sources.parquet",
    "csv": "lilm.train.corpus.sources.csv_table",
    "squad": "lilm.train.corpus.sources.squad",
    "html": "lilm.train.corpus.sources.html",
    "warc": "lilm.train.corpus.sources.warc",
    "mediawiki": "lilm.train.corpus.sources.mediawiki",
    REFUSED: "lilm.train.corpus.sources.refused",
}
"""Module of each format that reads files, imported when it is needed: some load heavy libraries."""
FileReader = Callable[..., Iterator[Item]]  # (path, source), those of CUT also (begin, end)
Read = tuple[SourceConfig, Item]


def read(shard: Shard, source: SourceConfig, seed: int) -> Iterator[Item]:
    """The shard's items in order; with a `limit`, so many that are not Bad.

    Damaged input comes as Bad, where it stands. Raises LilmError for what is not about data: a file that is gone or
    may not be read, a dataset that cannot be opened.
    """
    return (item for _, item in read_as(shard, source, seed))


def read_as(shard: Shard, source: SourceConfig, seed: int) -> Iterator[Read]:
    """The same, each item with the source as it was read: of the item's own format where the source's is auto. The
    files of a source that has a limit are one shard, whatever each of them is."""
    items = _items(shard, source, seed)
    return _limited(items, source.limit) if source.limit else items


def _items(shard: Shard, source: SourceConfig, seed: int) -> Iterator[Read]:
    if source.format == "stories":
        from lilm.train.corpus.sources.stories import read_stories

        yield from zip(repeat(source), read_stories(source, seed), strict=False)
    elif source.format == "hub":
        from lilm.train.corpus.sources.hub import read_hub

        yield from zip(repeat(source), read_hub(source), strict=False)
    else:
        for name, known in zip(shard.paths, shard.formats or repeat(source.format), strict=False):
            path, reader, own = Path(name), _reader(known), as_format(source, known)
            part = (shard.begin, shard.end) if known in CUT else ()
            try:
                with readable(path):
                    for item in reader(path, own, *part):
                        yield own, item
            except Damaged as damage:
                yield own, damage.bad


def _limited(items: Iterator[Read], limit: int) -> Iterator[Read]:
    for source, item in items:
        yield source, item
        limit -= not isinstance(item, Bad)
        if not limit:
            return


def _reader(name: str) -> FileReader:
    reader: FileReader = importlib.import_module(READERS[name]).read_file
    return reader


def as_format(source: SourceConfig, known: str) -> SourceConfig:
    return source if known == source.format else source.model_copy(update={"format": known})


def check_source(source: SourceConfig, most_bad: float = 0.0) -> None:
    """Raises LilmError when the source cannot be there: no file, only empty files, or with format auto more than the
    share `most_bad` of files that are no text."""
    if source.format in MADE:
        return
    where, files = f"corpus source {source.name}: {source.path}", matching_files(source)
    if not any(path.stat().st_size for path in files):
        raise LilmError("nothing in it", where=where, remedy="name a file that has text")
    kinds = kinds_of(source, files)
    refused = _refused(kinds)
    if any(kind.format in MANY for kind in kinds.values()) and len(refused) < len(files):
        return  # the share is of records, which nobody has counted yet
    if len(refused) > most_bad * len(files):
        first = next(iter(refused.values()))
        raise LilmError(
            said_of_refused(refused, len(files)),
            where=where,
            remedy=f"{first.remedy}; corpus.max_bad = {enough(len(refused), len(files))} goes on without",
        )


def said_of_refused(refused: Mapping[Path, Kind], of: int) -> str:
    """In words, of so many files, with their names."""
    named = listed([f"{path.name} ({kind.what})" for path, kind in refused.items()])
    return f"{len(refused)} of {of} files {'is' if len(refused) == 1 else 'are'} no text: {named}"


def kinds_of(source: SourceConfig, files: Sequence[Path]) -> dict[Path, Kind]:
    """What each file is, where the format is auto, else nothing. Raises LilmError for a file that may not be read."""
    return {path: _kind(path) for path in files} if source.format == AUTO else {}


def _refused(kinds: Mapping[Path, Kind]) -> dict[Path, Kind]:
    return {path: kind for path, kind in kinds.items() if kind.format == REFUSED}


def listed(names: Sequence[str]) -> str:
    """The first ten, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def enough(bad: int, of: int) -> str:
    """A `max_bad` that so many broken records are within.

    >>> enough(1, 20), enough(2, 300), enough(1, 3)
    ('0.05', '0.0067', '0.34')
    """
    share = bad / max(1, of)
    digits = 2 if share >= 0.01 else 4
    return f"{math.ceil(share * 10**digits) / 10**digits:g}"


def _kind(path: Path) -> Kind:
    with readable(path):
        return detect(path)


def fingerprints(source: SourceConfig) -> dict[str, str]:
    """path -> "size:mtime_ns" of the source's files; empty for sources without files."""
    if source.format in MADE:
        return {}
    return {str(path): file_version(path) for path in matching_files(source)}
