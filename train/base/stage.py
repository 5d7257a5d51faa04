"""Stage `base`: the English Llama, from a folder, from the hub, out of a GGUF file, or trained from scratch."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from lilm import origin
from lilm.disk import file_version
from lilm.errors import LilmError
from lilm.llama.config import read_llama_config
from lilm.llama.weights import INDEX, SINGLE
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import BaseConfig
from lilm.train.base.model_folder import GENERATION, TEMPLATE, TOKENIZER, check_model_folder, tokenizer_files
from lilm.train.base.weights_check import is_tied
from lilm.vocabulary.added_tokens import ADDED, write_whole_model
from lilm.vocabulary.byte_level import CONFIG, FILE
from lilm.vocabulary.pieces import taken_mark
from lilm.vocabulary.sentencepiece import has_model

FETCHED = ("config.json", GENERATION, "*.safetensors", INDEX, TOKENIZER, FILE, CONFIG, TEMPLATE, ADDED, origin.CARD)


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


def check_remote(config: BaseConfig, context: Context) -> None:
    """Fetches a GGUF file by its address. Raises LilmError where it cannot be had, or converted: such a base is made
    after the text, which may take hours."""
    if config.kind == "gguf" and config.url:
        from lilm.download import download
        from lilm.train.base.from_gguf import check_gguf_base

        check_gguf_base(download(config.url, config.sha256, context.reporter))


def external(config: BaseConfig, context: Context) -> dict[str, str]:
    if not config.path:
        return {}
    files = set(_files(Path(config.path))) if config.kind == "path" else {Path(config.path)}
    whole = Path(config.path) / FILE  # read for its added tokens where another file has the pieces
    files |= {whole} if whole.is_file() else set()
    return {str(path): file_version(path) for path in sorted(files)}


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

        source = download_model(config.repo, config.revision, FETCHED)
    else:
        source = Path(config.path)
    files = _files(source)
    plain = read_llama_config(source)
    plain["tie_word_embeddings"] = is_tied(source, plain)
    for path in files:
        shutil.copyfile(path, out_dir / path.name)
    if has_model(source):
        write_whole_model(source / TOKENIZER, out_dir / TOKENIZER)
    mark = taken_mark(source)
    if mark is not None:
        from lilm.train.base.mark_row import take_mark, write_mark

        plain = take_mark(out_dir, plain, mark, context.reporter)
        write_mark(source, out_dir)
    write_json(out_dir / "config.json", plain)
    origin.of_folder(config.kind, source, config.repo if config.kind == "hub" else "").write(out_dir)
    return Artifact()


def _files(folder: Path) -> list[Path]:
    """Returns what the stages that follow read of a model's folder. Raises LilmError when it is none to start from."""
    weights = check_model_folder(folder)
    index = [] if weights == [folder / SINGLE] else [folder / INDEX]
    others = [folder / name for name in ("config.json", GENERATION, *tokenizer_files(folder))]
    return [*weights, *index, *(path for path in others if path.is_file())]
