"""What becomes of a source's files, found before a recipe for them is written: plain text is read to its end."""

from dataclasses import dataclass
from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.base import MB, Bad, Shard
from lilm.train.corpus.sources.detect import REFUSED, Kind
from lilm.train.corpus.sources.files import matching_files
from lilm.train.corpus.sources.registry import enough, kinds_of, read

WHOLE = ("text", "aozora")  # formats of which a file is one document, and quick to read
MOST = 64 * MB  # bytes on the disk of all such files; of more the beginnings alone are looked at


@dataclass(frozen=True)
class Look:
    """refused: files that no text comes out of, and why. records: at least so many are read or refused."""

    refused: dict[Path, Kind]
    records: int

    @property
    def max_bad(self) -> str:
        """The share of records that the refused files are at most."""
        return enough(len(self.refused), max(len(self.refused), self.records))


def look_through(source: SourceConfig) -> Look:
    """What is found in a source of format auto. Raises LilmError when no file matches or one may not be read."""
    refused: dict[Path, Kind] = {}
    records = 0
    kinds = kinds_of(source, matching_files(source))
    sizes = {path: path.stat().st_size for path in kinds}
    whole = sum(sizes[path] for path, kind in kinds.items() if kind.format in WHOLE) <= MOST
    for path, kind in kinds.items():
        if kind.format == REFUSED:
            refused[path] = kind
            records += 1
        elif whole and kind.format in WHOLE and sizes[path] <= base.SPLIT:
            items = list(read(Shard(source.name, path.name, 1, (str(path),), formats=(kind.format,)), source, 0))
            bad = [item for item in items if isinstance(item, Bad)]
            records += len(items)
            if bad and len(bad) == len(items):
                refused[path] = Kind(REFUSED, bad[0].what, bad[0].remedy)
        else:
            records += sizes[path] > 0  # the empty ones are passed over
    return Look(refused, records)
