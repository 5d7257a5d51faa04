"""Interpolated modified Kneser-Ney smoothing (Chen & Goodman 1999, equations 25-27, as in Heafield et al. 2013).

    P(w | h) = (a(h w) - D(a(h w))) / sum a(h .) + backoff(h) P(w | h without its first symbol)

a: adjusted counts. What a pruned n-gram would have got goes to backoff(h) whole, so that the model stays normalised.
Below the unigrams lies the same probability for every symbol; that is all <unk> gets: it stands for one unseen
character, not for all of them.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from lilm.train.corpus.score.counts import Ngrams

FALLBACK = (0.5, 1.0, 1.5)  # lmplz --discount_fallback: for counts too few or too odd to estimate from

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


def smoothed(tables: Sequence[Ngrams]) -> Iterator[tuple[Floats, Floats]]:
    """Yields for each order and n-gram: probability of its last symbol after the others, and its backoff as a context
    (1 where nothing follows). That of <s> as a unigram means nothing."""
    lower: Floats = np.array([1 / (len(tables[0].adjusted) - 1)])  # <s> is never predicted
    for n, table in enumerate(tables, 1):
        amount = np.array([0.0, *discounts(table.frequencies)])[np.minimum(table.adjusted, 3)]
        free = table.lost + np.bincount(table.context, amount, len(lower))
        backoff = np.divide(free, table.total, out=np.ones(len(lower)), where=table.total > 0)
        if n > 1:
            yield lower, backoff
        given = (table.adjusted - amount) / np.maximum(table.total, 1)[table.context]
        lower = given + backoff[table.context] * lower[table.suffix]
    yield lower, np.ones(len(lower))


def discounts(frequencies: tuple[int, int, int, int]) -> tuple[float, float, float]:
    """What is taken off the counts 1, 2, and 3 or more, from how many n-grams have the counts 1, 2, 3, 4."""
    n1, n2, n3, n4 = frequencies
    if not (n1 and n2 and n3):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return found if all(0 < one <= most for most, one in enumerate(found, 1)) else FALLBACK
