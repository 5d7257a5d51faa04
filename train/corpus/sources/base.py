"""What a reader answers: shards, each a piece of a source that can be read on its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skip:
    """A text that its source says must not be used. rule and reason as in a Drop."""

    text: str
    rule: str
    reason: str


Item = str | Skip


@dataclass(frozen=True)
class Shard:
    """weight: share of the work, in bytes of the file or documents to make. read: yields raw texts in order."""

    label: str
    weight: int
    read: Callable[[], Iterator[Item]]
