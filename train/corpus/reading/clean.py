"""What a document is before the rules judge it."""

from collections.abc import Sequence

from lilm.recipe import CorpusConfig, SourceConfig
from lilm.train.corpus.pieces import pieces
from lilm.train.corpus.rules import mask_pii, without_boilerplate


def cleaned(texts: Sequence[str], source: SourceConfig, config: CorpusConfig) -> list[list[str]]:
    """The pieces of each normalised text, without the lines of web pages that are no text, and masked."""
    if source.is_web:
        texts = [without_boilerplate(text, config.rules).text for text in texts]
    if config.rules.mask_pii:
        texts = [mask_pii(text)[0] for text in texts]
    return [pieces(text, config.max_chars) for text in texts]
