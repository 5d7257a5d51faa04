"""The trusted text that scores are measured by: read, normalised and judged once more, before anything else is."""

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

from lilm.progress import Reporter
from lilm.recipe import CorpusConfig, SourceConfig
from lilm.train.corpus.normalise import normalise_all
from lilm.train.corpus.reading.clean import cleaned
from lilm.train.corpus.rules import refusals
from lilm.train.corpus.score import train_models
from lilm.train.corpus.sources import read_as, shards

BATCH = 256
BATCH_CHARS = 4_000_000  # or fewer texts, as soon as they have so many characters


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
    """Batches of a source's text that the rules keep, as the corpus has it: in pieces, without the menus of pages."""
    read = (found for shard in shards(source) for found in read_as(shard, source, seed))
    texts = ((known, item) for known, item in read if isinstance(item, str))
    for _, some in groupby(texts, key=lambda found: found[0].format):
        while batch := list(_few(some)):
            known = batch[0][0]
            normal = normalise_all([text for _, text in batch], known.lang, config.punctuation)
            parts = [part for made in cleaned(normal, known, config) for part in made]
            refused = refusals(parts, known.lang, config.rules, known.is_web)
            yield [part for part, why in zip(parts, refused, strict=True) if why is None]


def _few(texts: Iterator[tuple[SourceConfig, str]]) -> Iterator[tuple[SourceConfig, str]]:
    """The next texts of a batch."""
    held = 0
    for known, text in islice(texts, BATCH):
        yield known, text
        held += len(text)
        if held >= BATCH_CHARS:
            return
