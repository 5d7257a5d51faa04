"""The pack stage: documents through the merged tokenizer into token stores."""

from collections.abc import Mapping
from pathlib import Path

from lilm.pipeline.artifact import Artifact
from lilm.pipeline.stage import Context
from lilm.recipe import PackConfig


def run(config: PackConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Writes tokens/<lang>-<split>-<shard>.bin/.idx and tokens.json; report.json and report.html: the corpus's with
    its tokens.

    Raises LilmError when the tokenizer cannot be read or has no begin and end tokens.
    """
    from lilm.train.pack.make import pack_corpus

    return pack_corpus(config, inputs["corpus"], inputs["tokenizer"], out_dir, context)
