"""One spelling for what is one character, and nothing that a reader would miss taken away.

Japanese: NFKC, except for characters that NFKC spoils. Latin letters and digits become half-width, half-width
katakana full-width; Japanese punctuation keeps its full width（）！？：；「」…～, and half-width marks stay as the
source has them. Other languages: NFC, straight quotes, plain spaces.
Both: no control, private-use or invisible characters, no spaces at line ends, at most one empty line.
Every function here is idempotent.
"""

import re
import sys
import unicodedata
from functools import cache

import numpy as np

from lilm.train.corpus.punctuation import STYLES, punctuate

# What NFKC would spoil: punctuation that Japanese text has in full width; … ‥ -> "...", ① -> 1, 10² -> 102,
# ½ -> 1⁄2, ™ -> TM, ゛ -> space and combining mark.
_KEPT_RANGES = (
    (0x00A8, 0x00A8),  # ¨
    (0x00AF, 0x00AF),  # ¯
    (0x00B2, 0x00B5),  # ² ³ ´ µ
    (0x00B8, 0x00BE),  # ¸ ¹ º » ¼ ½ ¾
    (0x2024, 0x2026),  # ․ ‥ …
    (0x2033, 0x2037),  # ″ and other primes
    (0x2070, 0x209C),  # superscripts and subscripts
    (0x2100, 0x214F),  # ℃ № ™ and other letter-like signs
    (0x2150, 0x215F),  # fractions
    (0x2189, 0x2189),
    (0x222C, 0x2230),  # multiple integrals
    (0x2460, 0x24FF),  # enclosed numbers
    (0x309B, 0x309C),  # ゛ ゜
    (0x3250, 0x325F),
    (0x32B1, 0x32BF),
    (0xFFE3, 0xFFE3),  # ￣
)
_KEPT = "（）！？：；，．～"
_LINE_BREAKS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_SPACES = "\t\x1f\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
# Control and private-use characters, surrogates, noncharacters, invisible format marks. The zero-width joiners
# and all combining marks stay: emoji and many scripts need them.
_DROPPED_RANGES = (
    (0x00, 0x08),
    (0x0E, 0x1B),
    (0x7F, 0x9F),
    (0xAD, 0xAD),
    (0x061C, 0x061C),
    (0x180E, 0x180E),
    (0x200B, 0x200B),
    (0x200E, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0xD800, 0xF8FF),
    (0xFDD0, 0xFDEF),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0xFFFE, 0xFFFF),
    (0xF0000, 0x10FFFF),
)
_QUOTES = {"“": '"', "”": '"', "„": '"', "‟": '"', "‘": "'", "’": "'", "‛": "'"}
_SPACE_RUN = re.compile("  +")
_EMPTY_LINES = re.compile("\n{3,}")


class Replacer:
    """Replaces single characters by a table, at the speed of `str.replace`.

    What a character becomes must hold no character of the table, so that the order does not matter.
    """

    def __init__(self, table: dict[str, str]) -> None:
        self._table = table
        self._wanted = np.zeros(sys.maxunicode + 1, dtype=bool)
        self._wanted[[ord(character) for character in table]] = True

    def __call__(self, text: str) -> str:
        codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
        for code in np.unique(codes[self._wanted[codes]]).tolist():
            text = text.replace(chr(code), self._table[chr(code)])
        return text


def _plain() -> dict[str, str]:
    """What every language drops or makes plain."""
    dropped = {chr(code): "" for first, last in _DROPPED_RANGES for code in range(first, last + 1)}
    return {**dropped, **dict.fromkeys(_LINE_BREAKS, "\n"), **dict.fromkeys(_SPACES, " ")}


@cache
def _japanese() -> Replacer:
    kept = set(_KEPT) | {chr(code) for first, last in _KEPT_RANGES for code in range(first, last + 1)}
    table = {}
    for code in range(0x80, 0x30000):  # no later character has a compatibility form
        character = chr(code)
        plain = unicodedata.normalize("NFKC", character)
        if plain != character and character not in kept and not kept.intersection(plain):
            table[character] = plain
    table["\u301c"] = "～"  # one wave dash: JIS converters disagree about which of the two is meant
    return Replacer({**table, **_plain()})


@cache
def _other() -> Replacer:
    return Replacer({**_plain(), **_QUOTES})


def normalise_japanese(text: str, punctuation: str) -> str:
    """`punctuation`: one of 、。 ，． ,. keep (see lilm.train.corpus.punctuation).

    >>> normalise_japanese("ＬｉＬＭは「１」、ﾃﾞｰﾀは（２）！？…", "、。")
    'LiLMは「1」、データは（2）！？…'
    """
    text = unicodedata.normalize("NFC", _japanese()(text.replace("\r\n", "\n")))
    text = _SPACE_RUN.sub(" ", text).replace("\n ", "\n").replace(" \n", "\n")
    if punctuation in STYLES:
        text = punctuate(text, punctuation)
    return _EMPTY_LINES.sub("\n\n", text).strip()


def normalise_other(text: str) -> str:
    """For English and every language without rules of its own. Indentation stays.

    >>> normalise_other("“It’s\\u00a0he,” \\r\\nsaid I.")
    '"It\\'s he,"\\nsaid I.'
    """
    text = unicodedata.normalize("NFC", _other()(text.replace("\r\n", "\n")))
    while " \n" in text:
        text = text.replace(" \n", "\n")
    return _EMPTY_LINES.sub("\n\n", text).strip()


def normalise(text: str, lang: str, punctuation: str) -> str:
    """The text as the corpus has it."""
    return normalise_japanese(text, punctuation) if lang == "ja" else normalise_other(text)
