"""Sources of any format, and what is read out of them."""

from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import Item, shards
from lilm.train.corpus.sources import read as read_shard

JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"


def source(path: Path | str, format: str = "text", lang: str = "ja", **keys: object) -> SourceConfig:
    return SourceConfig.model_validate({"name": "s", "lang": lang, "format": format, "path": str(path), **keys})


def read(config: SourceConfig) -> list[Item]:
    return [item for shard in shards(config) for item in read_shard(shard, config, 0)]
