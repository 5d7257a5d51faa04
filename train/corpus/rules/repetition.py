"""Gopher's repetition rules, on characters: no word segmenter is needed.

An n-gram of words becomes one of characters that is as seldom in clean text. The mean share of characters in
duplicate n-grams, in pieces of 3,700 English words (Sherlock Holmes, Shakespeare) and of 6,068 Japanese characters
(799 works of Aozora Bunko; a Japanese word has 1.64 characters in UD Japanese-GSD):

    English words       5      6      7          Japanese characters   16     20     23     26     30
    share              .0036  .0018  .0010                            .0037  .0021  .0015  .0012  .0009
    most frequent       2      3      4                                 7     10     13
    share              .0106  .0061  .0013                            .0082  .0034  .0015

So a word of English weighs as much as 3.3 Japanese characters. With 1.64 characters a word, Gopher's rule would drop
4.5% of Aozora; with 3.3 it drops 0.2%. For other languages an n-gram of words is as long as it is in English, 5.3
characters a word with its space. In German it is longer, as its words are (help pages have 1.18 times the characters of
the English ones), and in Vietnamese, whose few syllables stand apart and come again.
"""

from collections.abc import Callable

from lilm.train.corpus._native import repetition_figures
from lilm.train.corpus.rules.batch import Batch, Figures
from lilm.train.corpus.rules.rule import Rule

WORD = {"ja": 3.3, "de": 6.3, "vi": 6.4}
ENGLISH_WORD = 5.34
TOPS = (2, 3, 4)
DUPLICATES = (5, 6, 7, 8, 9, 10)
FEW = 3  # what stands less often is not counted as most frequent: a name may stand twice in a short text


def ngram_chars(words: int, lang: str) -> int:
    """Characters of an n-gram that stands for one of `words`.

    >>> [ngram_chars(words, "ja") for words in (2, 3, 4, 5, 10)]
    [7, 10, 13, 16, 33]
    """
    return round(words * WORD.get(lang, ENGLISH_WORD))


def _figures(batch: Batch) -> Figures:
    """[texts, TOPS and DUPLICATES]; 0 for what is surely within its limit, unless the batch is exact."""
    tops = [0.0] * len(TOPS) if batch.exact else batch.rules.max_top_ngrams
    duplicates = [0.0] * len(DUPLICATES) if batch.exact else batch.rules.max_duplicate_ngrams
    return repetition_figures(
        batch.texts,
        [(ngram_chars(words, batch.lang), limit) for words, limit in zip(TOPS, tops, strict=True)],
        [(ngram_chars(words, batch.lang), limit) for words, limit in zip(DUPLICATES, duplicates, strict=True)],
        FEW,
    )


def _column(number: int) -> Callable[[Batch], Figures]:
    return lambda batch: batch.once(_figures)[:, number]


RULES = tuple(
    Rule(
        f"top_{words}gram",
        _column(number),
        "max_top_ngrams",
        f"{{figure:.3f}} of the characters in one n-gram of {words} words",
        place=number,
    )
    for number, words in enumerate(TOPS)
) + tuple(
    Rule(
        f"duplicate_{words}gram",
        _column(len(TOPS) + number),
        "max_duplicate_ngrams",
        f"{{figure:.3f}} of the characters in n-grams of {words} words that stood before",
        place=number,
    )
    for number, words in enumerate(DUPLICATES)
)
