"""Which scripts a Japanese text is written in, as shares of its characters or kanji."""

from functools import cache

import numpy as np
import numpy.typing as npt

from lilm.train.corpus._native import class_counts
from lilm.train.corpus.rules.batch import Batch, Figures, share
from lilm.train.corpus.rules.rule import JAPANESE, Rule
from lilm.train.corpus.words import words

VISIBLE, HIRAGANA, KATAKANA, KANJI, SIMPLIFIED, OLD = range(6)
_RANGES = {
    VISIBLE: ((0x21, 0x10FFFF),),
    HIRAGANA: ((0x3041, 0x309F),),
    KATAKANA: ((0x30A0, 0x30FF),),
    KANJI: ((0x3005, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
}


@cache
def simplified_only() -> frozenset[str]:
    """Kanji of GB 2312 (simplified Chinese) that JIS X 0213 does not have, so that Japanese can't be written with
    them: 这, 们, 说 …"""
    rows = ((bytes((0xA0 + row, 0xA0 + cell)) for cell in range(1, 95)) for row in range(16, 88))
    chinese = "".join(pair.decode("gb2312", errors="ignore") for row in rows for pair in row)
    return frozenset(kanji for kanji in chinese if not kanji.encode("euc_jis_2004", errors="ignore"))


def old_kanji() -> frozenset[str]:
    """Kanji in the forms of before 1946 (舊, 國, 學 …) whose new form is another character."""
    return frozenset("".join(words("old_kanji_ja")))


@cache
def _classes() -> npt.NDArray[np.uint8]:
    """A byte for each code point, with one bit per class."""
    classes = np.zeros(0x110000, dtype=np.uint8)
    for number, ranges in _RANGES.items():
        for first, last in ranges:
            classes[first : last + 1] |= 1 << number
    for number, characters in ((SIMPLIFIED, simplified_only()), (OLD, old_kanji())):
        classes[[ord(character) for character in characters]] |= 1 << number
    classes[0x3000] = 0  # the wide space
    return classes


def _counts(batch: Batch) -> Figures:
    return class_counts(batch.texts, _classes())


def hiragana(batch: Batch) -> Figures:
    counts = batch.once(_counts)
    return share(counts[:, HIRAGANA], counts[:, VISIBLE])


def katakana(batch: Batch) -> Figures:
    counts = batch.once(_counts)
    return share(counts[:, KATAKANA], counts[:, VISIBLE])


def chinese(batch: Batch) -> Figures:
    """Share of kanji that are simplified only; all of them when there is no kana at all beside ten or more."""
    counts = batch.once(_counts)
    no_kana = (counts[:, HIRAGANA] + counts[:, KATAKANA] == 0) & (counts[:, KANJI] >= 10)
    return np.where(no_kana, 1.0, share(counts[:, SIMPLIFIED], counts[:, KANJI]))


def old(batch: Batch) -> Figures:
    counts = batch.once(_counts)
    return share(counts[:, OLD], counts[:, KANJI])


OF_CHARACTERS, OF_KANJI = "{figure:.3f} of the characters", "{figure:.3f} of the kanji"
RULES = (
    Rule("chinese", chinese, "max_simplified", OF_KANJI, languages=JAPANESE),
    Rule("hiragana", hiragana, "min_hiragana", OF_CHARACTERS, at_least=True, languages=JAPANESE),
    Rule("katakana", katakana, "max_katakana", OF_CHARACTERS, languages=JAPANESE),
    Rule("old_kanji", old, "max_old_kanji", OF_KANJI, languages=JAPANESE),
)
