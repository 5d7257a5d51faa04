"""Stage `finetune`: teach the pretrained model to chat."""

from collections.abc import Mapping
from pathlib import Path

from lilm.disk import file_version
from lilm.errors import LilmError
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.train.corpus.sources.files import globbed
from lilm.train.finetune.sources import chat_files, check_chat_source, check_hub_chats


def check(config: FinetuneConfig, context: Context) -> None:
    from lilm.train.trainer.hosts import check_ranks

    if config.sources:
        optims = {"finetune.optim": config.optim}
        if config.preference.path:
            optims["finetune.preference.optim"] = config.preference.optim
        check_ranks(config.distributed, optims)
    for source in config.sources:
        check_chat_source(source, context.language)
    if config.preference.path:
        from lilm.train.finetune.pairs import PairReader

        for _ in PairReader(Path(config.preference.path), config.preference.max_bad):
            pass
    _evaluation_files(config)


def check_remote(config: FinetuneConfig, context: Context) -> None:
    for source in config.sources:
        if source.format == "hub":
            check_hub_chats(source, context.language)


def check_base(config: FinetuneConfig, base: Path, context: Context) -> None:
    from lilm.train.finetune.format import check_format

    check_format(config, base, context.language)


def external(config: FinetuneConfig, context: Context) -> dict[str, str]:
    files = [*(path for source in config.sources for path in chat_files(source)), *_evaluation_files(config)]
    if config.preference.path:
        files.append(Path(config.preference.path))
    return {str(path): file_version(path) for path in files}


def _evaluation_files(config: FinetuneConfig) -> list[Path]:
    files: list[Path] = []
    for pattern in config.checks.path:
        found = globbed(pattern)
        if not found:
            raise LilmError("no file matches", where=f"finetune.checks.path {pattern}", remedy="correct the path")
        files += found
    return files


def run(config: FinetuneConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    from lilm.train.trainer.launch import is_for_many, launch

    if config.sources and is_for_many(config.distributed):
        return launch("finetune", config, config.distributed, inputs, out_dir, context)
    from lilm.train.finetune.learn import finetune

    return finetune(config, inputs, out_dir, context)
