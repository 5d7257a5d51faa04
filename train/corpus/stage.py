"""The corpus stage: from sources to documents worth learning from. See README.md for what its steps are."""

from collections.abc import Mapping
from pathlib import Path

from lilm.disk import file_version
from lilm.errors import LilmError
from lilm.pipeline.artifact import Artifact, read_manifest
from lilm.pipeline.stage import Context
from lilm.recipe import CorpusConfig
from lilm.train.corpus.language import require_known
from lilm.train.corpus.sources import check_source, fingerprints


def check(config: CorpusConfig, context: Context) -> None:
    """Raises LilmError when a source, an evaluation file, an earlier corpus or a model is missing or empty, and for a
    language that is to be told from others and cannot."""
    for source in config.sources:
        check_source(source, 0.0 if config.bad_input == "stop" else config.max_bad)
        if source.tells_language:
            require_known(source.lang, f"corpus source {source.name}: lang")
    if config.decontaminate.path:
        from lilm.train.corpus.reading.contamination import evaluation_files

        evaluation_files(config.decontaminate.path)
    for corpus in config.dedup.earlier:
        _earlier(corpus)
    if config.score.models:
        from lilm.train.corpus.score.model import check_model

        for lang, model in config.score.models.items():
            check_model(Path(model), lang)


def check_remote(config: CorpusConfig, context: Context) -> None:
    """Raises LilmError when a dataset of the hub cannot be opened, or its first rows have no text."""
    from lilm.train.corpus.sources.hub import check_hub

    for source in config.sources:
        if source.format == "hub":
            check_hub(source)


def external(config: CorpusConfig, context: Context) -> dict[str, str]:
    """path -> "size:mtime_ns" of every file named, and the digest of every earlier corpus."""
    marks = {path: mark for source in config.sources for path, mark in fingerprints(source).items()}
    files = [Path(model) for model in config.score.models.values()]
    if config.decontaminate.path:
        from lilm.train.corpus.reading.contamination import evaluation_files

        files += evaluation_files(config.decontaminate.path)
    marks |= {str(path): file_version(path) for path in files}
    return marks | {corpus: _earlier(corpus) for corpus in config.dedup.earlier}


def _earlier(corpus: str) -> str:
    manifest = read_manifest(Path(corpus))
    if manifest is None or manifest.stage != "corpus":
        raise LilmError(
            "no finished corpus stage", where=f"corpus.dedup.earlier {corpus}", remedy="name a folder RUN/corpus"
        )
    return manifest.digest


def run(config: CorpusConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Writes docs/<lang>/<split>/part-*.parquet, drops/*.parquet, report.json, report.html and timing.json.

    Raises LilmError for too much broken input, and when a source or a language comes out empty.
    """
    from lilm.train.corpus.make import make_corpus  # polars, numpy and the native part are slow to import

    return make_corpus(config, out_dir, context)
