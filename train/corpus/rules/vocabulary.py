"""Words that a document may hold only a few of: adult, slurs and threats, advertisement."""

import re
from collections.abc import Callable
from functools import cache

from lilm.train.corpus._native import WordFinder
from lilm.train.corpus.rules.batch import Batch, Figures
from lilm.train.corpus.rules.rule import Rule
from lilm.train.corpus.words import words

LISTS = ("adult", "ng", "spam")
LANGUAGES = frozenset({"ja", "en"})
SHOWN = 5  # words in a reason
_KATAKANA = re.compile("[\u30a1-\u30fa\u30fc]+")


@cache
def _finder(lang: str) -> WordFinder:
    return WordFinder([words(f"{name}_{lang}") for name in LISTS])


def _counts(batch: Batch) -> Figures:
    return _finder(batch.lang).counts(batch.texts, len(LISTS))


def _column(number: int) -> Callable[[Batch], Figures]:
    return lambda batch: batch.once(_counts)[:, number]


def _found(number: int) -> Callable[[Batch, int], str]:
    """The first few different words of the list that stand in a text."""

    def found(batch: Batch, index: int) -> str:
        pairs = _finder(batch.lang).found(batch.texts[index])
        return ", ".join(list(dict.fromkeys(word for place, word in pairs if place == number))[:SHOWN])

    return found


def found_words(text: str, lang: str, number: int) -> list[tuple[int, int]]:
    """[start, end) of each word of a list that stands in a text, from left to right."""
    at, found = 0, []
    for place, word in _finder(lang).found(text):
        goes_on = "[A-Za-z]" if word.isascii() else "[\u30a1-\u30fa\u30fc]" if _KATAKANA.fullmatch(word) else "(?!)"
        whole = re.compile(f"(?<!{goes_on}){re.escape(word)}(?!{goes_on})", re.IGNORECASE)
        match = whole.search(text, at) or re.compile(re.escape(word), re.IGNORECASE).search(text, at)
        if match is None:
            continue
        at = match.end()
        if place == number:
            found.append(match.span())
    return found


RULES = (
    Rule(
        "adult",
        _column(0),
        "max_adult_words",
        "{figure:.0f} adult words",
        detail=_found(0),
        languages=LANGUAGES,
    ),
    Rule(
        "ng_words",
        _column(1),
        "max_ng_words",
        "{figure:.0f} slurs or threats",
        detail=_found(1),
        languages=LANGUAGES,
    ),
    Rule(
        "spam",
        _column(2),
        "max_spam_words",
        "{figure:.0f} words of advertisement",
        detail=_found(2),
        languages=LANGUAGES,
    ),
)
