"""Stage `base`: the English Llama, from a folder, from the hub, or trained from scratch."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from lilm.artifact import Artifact
from lilm.errors import LilmError
from lilm.recipe import BaseConfig
from lilm.stage import Context
from lilm.train.base.model_folder import TOKENIZER, check_model_folder

KEPT = ("config.json", "generation_config.json", TOKENIZER, "*.safetensors", "*.safetensors.index.json")


def check(config: BaseConfig, context: Context) -> None:
    if config.kind == "path":
        if not Path(config.path).is_dir():
            raise LilmError("no such folder", where=f"base.path {config.path}", remedy="correct the path in the recipe")
        check_model_folder(Path(config.path))
    if config.kind == "scratch":
        from lilm.train.trainer.hosts import check_ranks

        check_ranks(config.scratch.distributed, {"base.scratch.optim": config.scratch.optim})


def external(config: BaseConfig, context: Context) -> dict[str, str]:
    if config.kind != "path":
        return {}
    files = [path for pattern in KEPT for path in Path(config.path).glob(pattern)]
    return {str(path): f"{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in sorted(files)}


def run(config: BaseConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    if config.kind == "scratch":
        from lilm.train.base.scratch import train_scratch

        return train_scratch(config, inputs["corpus"], out_dir, context)
    if config.kind == "hub":
        from lilm.hub import download_model

        source = download_model(config.repo, config.revision, KEPT)
    else:
        source = Path(config.path)
    check_model_folder(source)
    for pattern in KEPT:
        for path in source.glob(pattern):
            shutil.copyfile(path, out_dir / path.name)
    return Artifact()
