"""Stage `finetune`: teach the pretrained model to chat."""

from collections.abc import Mapping
from pathlib import Path

from lilm.disk import file_version
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.train.finetune.sources import check_chat_source


def check(config: FinetuneConfig, context: Context) -> None:
    for source in config.sources:
        check_chat_source(source, context.language)


def check_base(config: FinetuneConfig, base: Path, context: Context) -> None:
    from lilm.train.finetune.format import check_format

    check_format(config, base, context.language, context.seed)


def external(config: FinetuneConfig, context: Context) -> dict[str, str]:
    files = [Path(source.path) for source in config.sources if source.path]
    return {str(path): file_version(path) for path in files}


def run(config: FinetuneConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    from lilm.train.finetune.learn import finetune

    return finetune(config, inputs, out_dir, context)
