"""The corpus stage: sources, normalise, filter, deduplicate, split, write."""

from collections.abc import Mapping
from pathlib import Path

from lilm.artifact import Artifact
from lilm.recipe import CorpusConfig
from lilm.stage import Context
from lilm.train.corpus.sources import check_source, fingerprints


def check(config: CorpusConfig, context: Context) -> None:
    """Raises LilmError when a source is missing or empty."""
    for source in config.sources:
        check_source(source)


def external(config: CorpusConfig, context: Context) -> dict[str, str]:
    """path -> "size:mtime_ns" of every file the sources name."""
    return {path: mark for source in config.sources for path, mark in fingerprints(source).items()}


def run(config: CorpusConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Writes docs/<lang>/<split>/part-*.parquet, drops.parquet and report.json.

    Raises LilmError for undecodable or malformed input, and when a source or a language comes out empty.
    """
    from lilm.train.corpus.make import make_corpus  # polars, numpy and rensa are slow to import

    return make_corpus(config, out_dir, context)
