"""llm-jp's rule: zlib (level 6) makes repetitive text very small, and noise hardly smaller.

UTF-8 writes a letter of Hindi or Thai in three bytes, of which two are the same in all: they alone take such text below
the limit. So a letter of an alphabet outside Latin is taken as one byte, as English letters are. Median ratio of help
pages of 1,000 bytes or more: English .42, Korean .42, Vietnamese .41; Hindi .30 and Thai .26 in UTF-8.
"""

import re
import zlib
from collections.abc import Sequence

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


# Greek to Georgian, Arabic, Indic scripts, Thai, Khmer, …: alphabets of one or two hundred signs; no Latin, Han or kana
_ALPHABETS = re.compile("[\u0370-\u1dff\ua8e0-\ua8ff\ua980-\uaaff\ufb13-\ufefc]")
PLAIN = frozenset({"ja", "en"})  # whose own letters are none of these


def in_single_bytes(text: str) -> str:
    """The text with an ASCII character for each letter of such an alphabet, the same for the same letter.

    >>> in_single_bytes("ไทย go")
    'D\\x17" go'
    """
    return _ALPHABETS.sub(lambda letter: chr(ord(letter[0]) & 0x7F), text)


def excerpt(data: bytes) -> bytes:
    """Beginning, middle and end of long data."""
    if len(data) <= EXCERPT:
        return data
    third, middle = EXCERPT // 3, len(data) // 2
    return data[:third] + data[middle - third // 2 : middle + third // 2] + data[-third:]


def _letters(batch: Batch) -> Sequence[str]:
    """What is compressed of each text."""
    return batch.texts if batch.lang in PLAIN else [in_single_bytes(text) for text in batch.texts]


def zlib_ratio(text: str) -> float:
    """Compressed by plain bytes of the text's excerpt."""
    data = excerpt(text.encode("utf-8"))
    return len(zlib.compress(data, 6)) / max(1, len(data))


def compressed(batch: Batch) -> Figures:
    """Zlib ratio, [texts]; where a quick guess is far from both limits, the guess, unless the batch is exact."""
    texts = batch.once(_letters)
    size, literal_bits, matches = compression_figures(texts, EXCERPT).T
    bits = LITERAL * literal_bits + MATCH * matches + HEADER
    ratios: Figures = bits / 8 / np.maximum(size, 1)
    limits = (batch.rules.min_compression, batch.rules.max_compression)
    unsure = np.minimum(*(np.abs(ratios - limit) for limit in limits)) <= MARGIN
    incompressible = literal_bits / 8 > (batch.rules.min_compression + MARGIN) * size  # by its literals alone
    unsure = np.where(size < SURE, ~incompressible, unsure)
    for index in np.flatnonzero(unsure | batch.exact).tolist():
        ratios[index] = zlib_ratio(texts[index])
    return ratios


def compressed_long(batch: Batch) -> Figures:
    """The same, nan for short texts."""
    texts = batch.once(_letters)
    size = np.array([len(text.encode("utf-8")) if len(text) < LONG else LONG for text in texts])
    return np.where(size < LONG, np.nan, batch.once(compressed))


RATIO = "zlib ratio {figure:.3f}"
RULES = (
    Rule("compression", compressed, "min_compression", RATIO, at_least=True),
    Rule("noise", compressed_long, "max_compression", RATIO),
)
