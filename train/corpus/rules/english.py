"""What English text is like, word by word (Gopher, FineWeb)."""

import numpy as np

from lilm.train.corpus._native import word_figures
from lilm.train.corpus.rules.batch import Batch, Figures, share
from lilm.train.corpus.rules.rule import ENGLISH, Rule

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
ENOUGH = 50  # words from which English text is sure to have stop words
WORDS, CHARACTERS, ALPHABETIC, HASHES, ELLIPSES, STOPS = range(6)
WORD_CHARS = "{figure:.1f} characters a word"


def _figures(batch: Batch) -> Figures:
    return word_figures(batch.texts, STOP_WORDS)


def word_count(batch: Batch) -> Figures:
    return batch.once(_figures)[:, WORDS]


def word_chars(batch: Batch) -> Figures:
    figures = batch.once(_figures)
    return share(figures[:, CHARACTERS], figures[:, WORDS])


def symbols(batch: Batch) -> Figures:
    figures = batch.once(_figures)
    return share(np.maximum(figures[:, HASHES], figures[:, ELLIPSES]), figures[:, WORDS])


def alphabetic(batch: Batch) -> Figures:
    figures = batch.once(_figures)
    return share(figures[:, ALPHABETIC], figures[:, WORDS])


def stop_words(batch: Batch) -> Figures:
    figures = batch.once(_figures)
    return np.where(figures[:, WORDS] < ENOUGH, np.nan, figures[:, STOPS])


RULES = (
    Rule(
        "min_words",
        word_count,
        "min_words",
        "{figure:.0f} words",
        at_least=True,
        languages=ENGLISH,
        web=True,
    ),
    Rule("short_words", word_chars, "min_word_chars", WORD_CHARS, at_least=True, languages=ENGLISH),
    Rule("long_words", word_chars, "max_word_chars", WORD_CHARS, languages=ENGLISH),
    Rule("symbols", symbols, "max_symbols", "{figure:.3f} # or … a word", languages=ENGLISH),
    Rule(
        "alphabetic_words",
        alphabetic,
        "min_alphabetic_words",
        "{figure:.3f} of the words have a letter",
        at_least=True,
        languages=ENGLISH,
    ),
    Rule(
        "stop_words",
        stop_words,
        "min_stop_words",
        f"{{figure:.0f}} of {len(STOP_WORDS)} stop words",
        at_least=True,
        languages=ENGLISH,
    ),
)
