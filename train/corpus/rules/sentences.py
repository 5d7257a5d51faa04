"""How long a page's sentences are (Swallow): lists have short ones, text without 。 has endless ones."""

from lilm.train.corpus._native import sentence_figures
from lilm.train.corpus.rules.batch import Batch, Figures, share
from lilm.train.corpus.rules.rule import JAPANESE, Rule

SENTENCES, CHARACTERS, LONGEST = range(3)
AVERAGE = "{figure:.1f} characters a sentence"


def _figures(batch: Batch) -> Figures:
    return sentence_figures(batch.texts)


def average(batch: Batch) -> Figures:
    figures = batch.once(_figures)
    return share(figures[:, CHARACTERS], figures[:, SENTENCES])


def longest(batch: Batch) -> Figures:
    return batch.once(_figures)[:, LONGEST]


RULES = (
    Rule(
        "short_sentences",
        average,
        "min_sentence_chars",
        AVERAGE,
        at_least=True,
        languages=JAPANESE,
        web=True,
    ),
    Rule("long_sentences", average, "max_sentence_chars", AVERAGE, languages=JAPANESE, web=True),
    Rule(
        "longest_sentence",
        longest,
        "max_longest_sentence",
        "{figure:.0f} characters in the longest sentence",
        languages=JAPANESE,
        web=True,
    ),
)
