"""Stories that LiLM makes itself, so that a first run needs no file of the user's."""

from collections.abc import Iterator

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Item


def read_stories(source: SourceConfig, seed: int) -> Iterator[Item]:
    from lilm.train.stories import stories

    yield from stories(source.lang, source.limit, seed)
