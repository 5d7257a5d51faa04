"""The trusted text that scores are measured by: read, normalised and judged once more, before anything else is."""

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from lilm.progress import Reporter
from lilm.recipe import CorpusConfig, SourceConfig
from lilm.train.corpus.normalise import normalise_all
from lilm.train.corpus.rules import refusals
from lilm.train.corpus.score import train_models
from lilm.train.corpus.sources import read, shards

BATCH = 256


def score_models(config: CorpusConfig, seed: int, folder: Path, reporter: Reporter) -> dict[str, Path]:
    """Score models by language, trained in `folder` when they are not there; none without trusted text or models."""
    folder.mkdir(exist_ok=True)
    languages = list(dict.fromkeys(source.lang for source in config.sources))
    return train_models(config.score, lambda lang: _trusted(config, seed, lang), languages, folder, reporter)


def _trusted(config: CorpusConfig, seed: int, lang: str) -> Iterator[str]:
    """Text that the rules keep, of the trusted sources in turn: no large one fills the model alone."""
    names = config.score.trusted
    waiting = [_good(config, seed, one) for one in config.sources if one.lang == lang and one.name in names]
    while waiting:
        for texts in list(waiting):
            batch = next(texts, None)
            if batch is None:
                waiting.remove(texts)
            else:
                yield from batch


def _good(config: CorpusConfig, seed: int, source: SourceConfig) -> Iterator[list[str]]:
    """Batches of a source's text, normalised, that the rules keep."""
    items = chain.from_iterable(read(shard, source, seed) for shard in shards(source))
    texts = (item for item in items if isinstance(item, str))
    while batch := list(islice(texts, BATCH)):
        normal = normalise_all(batch, source.lang, config.punctuation)
        refused = refusals(normal, source.lang, config.rules, source.is_web)
        yield [text for text, why in zip(normal, refused, strict=True) if why is None]
