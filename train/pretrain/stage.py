"""Stage `pretrain`: teach the base a language without losing the one it knows."""

from collections.abc import Mapping
from pathlib import Path

from lilm.pipeline.artifact import Artifact
from lilm.pipeline.stage import Context
from lilm.recipe import PretrainConfig


def check(config: PretrainConfig, context: Context) -> None:
    from lilm.train.trainer.hosts import check_ranks

    check_ranks(config.distributed, {"pretrain.stage1": config.stage1, "pretrain.stage2": config.stage2})
    if config.lora.path:
        from lilm.train.pretrain.adapter import check_adapter

        check_adapter(config.lora)


def external(config: PretrainConfig, context: Context) -> dict[str, str]:
    from lilm.pipeline.hashing import sha256_file

    files = sorted(Path(config.lora.path).glob("*")) if config.lora.path else []
    return {str(path): sha256_file(path) for path in files if path.is_file()}


def run(config: PretrainConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    from lilm.train.trainer.launch import is_for_many, launch

    if is_for_many(config.distributed):
        return launch("pretrain", config, config.distributed, inputs, out_dir, context)
    from lilm.train.pretrain.learn import pretrain

    return pretrain(config, inputs, out_dir, context)
