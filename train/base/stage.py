"""Stage `base`: the English Llama, from a folder, from the hub, out of a GGUF file, or trained from scratch."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from lilm.artifact import Artifact
from lilm.bpe import CONFIG, FILE
from lilm.errors import LilmError
from lilm.recipe import BaseConfig
from lilm.stage import Context
from lilm.train.base.model_folder import TEMPLATE, TOKENIZER, check_model_folder, tokenizer_files

KEPT = ("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json")
TOKENIZERS = (TOKENIZER, FILE, CONFIG, TEMPLATE)


def check(config: BaseConfig, context: Context) -> None:
    if config.kind == "path":
        if not Path(config.path).is_dir():
            raise LilmError("no such folder", where=f"base.path {config.path}", remedy="correct the path in the recipe")
        check_model_folder(Path(config.path))
    if config.kind == "gguf" and config.path:
        from lilm.cache import check_sha256
        from lilm.train.base.from_gguf import check_gguf_base

        check_gguf_base(Path(config.path))
        if config.sha256:
            check_sha256(Path(config.path), config.sha256)
    if config.kind == "scratch":
        from lilm.train.trainer.hosts import check_ranks

        check_ranks(config.scratch.distributed, {"base.scratch.optim": config.scratch.optim})


def external(config: BaseConfig, context: Context) -> dict[str, str]:
    if not config.path:
        return {}
    files = _files(Path(config.path)) if config.kind == "path" else [Path(config.path)]
    return {str(path): f"{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in sorted(files)}


def run(config: BaseConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    if config.kind == "scratch":
        from lilm.train.base.scratch import train_scratch

        return train_scratch(config, inputs["corpus"], out_dir, context)
    if config.kind == "gguf":
        from lilm.download import download
        from lilm.train.base.from_gguf import convert_gguf

        file = Path(config.path) if config.path else download(config.url, config.sha256, context.reporter)
        return convert_gguf(file, inputs["corpus"], out_dir, context)
    if config.kind == "hub":
        from lilm.hub import download_model

        source = download_model(config.repo, config.revision, (*KEPT, *TOKENIZERS))
    else:
        source = Path(config.path)
    check_model_folder(source)
    for path in _files(source):
        shutil.copyfile(path, out_dir / path.name)
    return Artifact()


def _files(folder: Path) -> list[Path]:
    """What the stages that follow read of a model's folder."""
    return [path for pattern in (*KEPT, *tokenizer_files(folder)) for path in folder.glob(pattern)]
