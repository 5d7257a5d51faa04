"""llm-jp's rule: zlib (level 6) makes repetitive text very small, and noise hardly smaller."""

import zlib

import numpy as np

from lilm.train.corpus._native import compression_figures
from lilm.train.corpus.rules.batch import Batch, Figures
from lilm.train.corpus.rules.rule import Rule

EXCERPT = 16_384  # bytes that are compressed: the ratio falls with length, and the limit was set on web pages
LONG = 1_000  # bytes from which clean text has 0.68 at most; short text can't be compressed
# zlib's size in bits, guessed from a quick scan: entropy of the literals, matches, header. Least squares over 21,000
# texts of SURE bytes or more (Japanese, English, HTML, made-up repetition), of which it was wrong by 0.045 at most.
LITERAL, MATCH, HEADER = 1.107, 11.84, 385.0
SURE, MARGIN = 500, 0.06


def excerpt(data: bytes) -> bytes:
    """Beginning, middle and end of long data."""
    if len(data) <= EXCERPT:
        return data
    third, middle = EXCERPT // 3, len(data) // 2
    return data[:third] + data[middle - third // 2 : middle + third // 2] + data[-third:]


def zlib_ratio(text: str) -> float:
    """Compressed by plain bytes of the text's excerpt."""
    data = excerpt(text.encode("utf-8"))
    return len(zlib.compress(data, 6)) / max(1, len(data))


def compressed(batch: Batch) -> Figures:
    """Zlib ratio, [texts]; where a quick guess is far from both limits, the guess, unless the batch is exact."""
    size, literal_bits, matches = compression_figures(batch.texts, EXCERPT).T
    bits = LITERAL * literal_bits + MATCH * matches + HEADER
    ratios: Figures = bits / 8 / np.maximum(size, 1)
    limits = (batch.rules.min_compression, batch.rules.max_compression)
    unsure = np.minimum(*(np.abs(ratios - limit) for limit in limits)) <= MARGIN
    incompressible = literal_bits / 8 > (batch.rules.min_compression + MARGIN) * size  # by its literals alone
    unsure = np.where(size < SURE, ~incompressible, unsure)
    for index in np.flatnonzero(unsure | batch.exact).tolist():
        ratios[index] = zlib_ratio(batch.texts[index])
    return ratios


def compressed_long(batch: Batch) -> Figures:
    """The same, nan for short texts."""
    size = np.array([len(text.encode("utf-8")) if len(text) < LONG else LONG for text in batch.texts])
    return np.where(size < LONG, np.nan, batch.once(compressed))


RATIO = "zlib ratio {figure:.3f}"
RULES = (
    Rule("compression", compressed, lambda rules: rules.min_compression, RATIO, at_least=True),
    Rule("noise", compressed_long, lambda rules: rules.max_compression, RATIO),
)
