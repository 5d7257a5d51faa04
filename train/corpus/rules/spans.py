"""Where in a refused text what the rule counted stands, for reports."""

import re
from collections import Counter
from collections.abc import Callable, Iterable

from lilm.train.corpus.rules.lines import SHORT
from lilm.train.corpus.rules.repetition import DUPLICATES, TOPS, ngram_chars
from lilm.train.corpus.rules.scripts import old_kanji, simplified_only
from lilm.train.corpus.rules.vocabulary import LISTS, found_words

Span = tuple[int, int]
LONGEST = 100_000  # characters of a text that is looked through

_LINE = re.compile(r"\S(?:[^\n]*\S)?")
_KATAKANA = re.compile("[\u30a0-\u30ff]+")
_SYMBOLS = re.compile(r"#|…|\.\.\.")
_OPEN = re.compile(r"…$|‥$|\.\.\.$|・・・$")
_BULLET = re.compile("^[•●○■□▪‣◦*・-]")
_SENTENCE = re.compile(r"[^\n。！？!?]+(?:[。！？!?][。！？!?」』）)】]*)?")
# Kinds of words of vocabulary.LISTS, as the rules name them.
_WORDS = dict(zip(("adult", "ng_words", "spam"), range(len(LISTS)), strict=True))


def spans(rule: str, text: str, lang: str) -> list[Span]:
    """[start, end) of what `rule` refused the text for, from left to right, none inside another; none for a rule of the
    whole text, such as its length, or of what it lacks.

    >>> spans("katakana", "これはテストです", "ja")
    [(3, 6)]
    """
    text = text[:LONGEST]
    if rule in _WORDS:
        return found_words(text, lang, _WORDS[rule])
    if rule in _FINDERS:
        return _FINDERS[rule](text)
    kind = re.fullmatch(r"(top|duplicate)_(\d+)gram", rule)
    if kind and int(kind[2]) in TOPS + DUPLICATES:
        size = ngram_chars(int(kind[2]), lang)
        return _joined(_most_frequent(text, size) if kind[1] == "top" else _again(text, size))
    return []


def _lines(holds: Callable[[str], object]) -> Callable[[str], list[Span]]:
    return lambda text: [line.span() for line in _LINE.finditer(text) if holds(line[0])]


def _repeated_lines(text: str) -> list[Span]:
    seen: set[str] = set()
    found = []
    for line in _LINE.finditer(text):
        if line[0] in seen and re.search(r"\w", line[0]):
            found.append(line.span())
        seen.add(line[0])
    return found


def _letters(text: str, letters: frozenset[str]) -> list[Span]:
    return _joined((at, at + 1) for at, letter in enumerate(text) if letter in letters)


def _longest_sentence(text: str) -> list[Span]:
    longest = max(_SENTENCE.finditer(text), key=lambda found: len(found[0]), default=None)
    return [longest.span()] if longest else []


def _grams(text: str, size: int) -> Iterable[tuple[int, str]]:
    return ((at, text[at : at + size]) for at in range(len(text) - size + 1))


def _most_frequent(text: str, size: int) -> list[Span]:
    counted = Counter(gram for _, gram in _grams(text, size))
    if not counted:
        return []
    top = max(counted, key=counted.__getitem__)
    return [(at, at + size) for at, gram in _grams(text, size) if gram == top]


def _again(text: str, size: int) -> list[Span]:
    seen: set[str] = set()
    found = []
    for at, gram in _grams(text, size):
        if gram in seen:
            found.append((at, at + size))
        seen.add(gram)
    return found


def _joined(found: Iterable[Span]) -> list[Span]:
    """What touches is one; `found` from left to right."""
    joined: list[Span] = []
    for start, end in found:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _of(pattern: re.Pattern[str]) -> Callable[[str], list[Span]]:
    return lambda text: [found.span() for found in pattern.finditer(text)]


_FINDERS: dict[str, Callable[[str], list[Span]]] = {
    "chinese": lambda text: _letters(text, simplified_only()),
    "old_kanji": lambda text: _letters(text, old_kanji()),
    "katakana": _of(_KATAKANA),
    "symbols": _of(_SYMBOLS),
    "duplicate_lines": _repeated_lines,
    "duplicate_line_chars": _repeated_lines,
    "ellipsis_lines": _lines(_OPEN.search),
    "english_ellipsis_lines": _lines(_OPEN.search),
    "bullet_lines": _lines(_BULLET.search),
    "short_lines": _lines(lambda line: len(line) <= SHORT),
    "longest_sentence": _longest_sentence,
}
