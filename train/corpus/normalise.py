"""One spelling for what is one character, and nothing that a reader would miss taken away.

Japanese: NFKC, except for characters that NFKC spoils. Latin letters and digits become half-width, half-width
katakana full-width; Japanese punctuation keeps its full width（）！？：；「」…～, and half-width marks stay as the
source has them. Other languages: NFC, straight quotes (but in Chinese, whose quotes “” are as wide as its other marks),
plain spaces. All: no control, private-use or invisible characters, no spaces at line ends, at most one empty line.
Every function here is idempotent. The tables are made here, the work is done in native/normaliser.h.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache

from lilm.train.corpus._native import Normaliser
from lilm.train.corpus.punctuation import STYLES

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
WIDE_QUOTES = frozenset({"ja", "zh"})
_LAST = 0x30000  # no later character has a decomposition


def _plain() -> dict[int, str]:
    """What every language drops or makes plain."""
    dropped = {code: "" for first, last in _DROPPED_RANGES for code in range(first, last + 1)}
    return dropped | dict.fromkeys(map(ord, _LINE_BREAKS), "\n") | dict.fromkeys(map(ord, _SPACES), " ")


def _japanese() -> dict[int, str]:
    kept = set(_KEPT) | {chr(code) for first, last in _KEPT_RANGES for code in range(first, last + 1)}
    table = {}
    for code in range(0x80, _LAST):
        character = chr(code)
        plain = unicodedata.normalize("NFKC", character)
        if plain != character and character not in kept and not kept.intersection(plain):
            table[code] = plain
    table[0x301C] = "～"  # one wave dash: JIS converters disagree about which of the two is meant
    return table | _plain()


@cache
def _composing() -> list[int]:
    """Characters that NFC changes, or may join with what stands before them, or sort among their neighbours."""
    parts = {code: unicodedata.normalize("NFD", chr(code)) for code in range(0x80, _LAST)}
    joined = {ord(part) for decomposed in parts.values() for part in decomposed[1:]}
    changed = {
        code for code in parts if unicodedata.combining(chr(code)) or not unicodedata.is_normalized("NFC", chr(code))
    }
    return sorted(joined | changed)


@cache
def _normaliser(japanese: bool, marks: str, quotes: bool) -> Normaliser:
    """quotes: whether they are made straight."""
    if japanese:
        return Normaliser(_japanese(), _composing(), True, marks)
    table = {ord(quote): plain for quote, plain in _QUOTES.items()} if quotes else {}
    return Normaliser(_plain() | table, _composing(), False, "")


def normalise_all(texts: Sequence[str], lang: str, punctuation: str) -> list[str]:
    """The texts as the corpus has them. `punctuation`: one of 、。 ，． ,. keep (see lilm.train.corpus.punctuation).

    >>> normalise_all(["ＬｉＬＭは「１」、ﾃﾞｰﾀは（２）！？…"], "ja", "、。")
    ['LiLMは「1」、データは（2）！？…']
    >>> normalise_all(["“It’s\\u00a0he,” \\r\\nsaid I."], "en", "、。")
    ['"It\\'s he,"\\nsaid I.']
    """
    japanese = lang == "ja"
    return _normaliser(japanese, STYLES[punctuation] if japanese else "", lang not in WIDE_QUOTES)(texts)


def normalise(text: str, lang: str, punctuation: str) -> str:
    """One text as the corpus has it."""
    return normalise_all([text], lang, punctuation)[0]
