"""Where documents come from: one reader per format, behind `shards` (what there is) and `read` (what is in it)."""

from lilm.train.corpus.sources.base import Bad, Identified, Item, Shard, Skip
from lilm.train.corpus.sources.plan import shards, source_of
from lilm.train.corpus.sources.registry import check_source, fingerprints, read, read_as

__all__ = [
    "Bad",
    "Identified",
    "Item",
    "Shard",
    "Skip",
    "check_source",
    "fingerprints",
    "read",
    "read_as",
    "shards",
    "source_of",
]
