"""Files that `format = "auto"` finds to be no text: each is one broken record, named."""

from collections.abc import Iterator
from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Bad, Item
from lilm.train.corpus.sources.detect import detect


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    kind = detect(path)
    yield Bad(str(path), kind.what, kind.remedy)
