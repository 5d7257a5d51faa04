"""Stage `pretrain`: teach the base a language without losing the one it knows."""

from collections.abc import Mapping
from pathlib import Path

from lilm.artifact import Artifact
from lilm.recipe import PretrainConfig
from lilm.stage import Context


def run(config: PretrainConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    from lilm.train.pretrain.learn import pretrain

    return pretrain(config, inputs, out_dir, context)
