"""Where documents come from: one reader per format, all behind `shards`."""

from lilm.train.corpus.sources.base import Item, Shard, Skip
from lilm.train.corpus.sources.registry import check_source, fingerprints, shards

__all__ = ["Item", "Shard", "Skip", "check_source", "fingerprints", "shards"]
