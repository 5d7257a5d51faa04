"""Means, differences and quantiles of tokens that come in documents, with intervals that know it."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Share = dict[str, float | int | list[float]]
"""{"value", "count", "of", "ci95"}"""
CONFIDENCE = 0.95
NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # standard errors that 95% lie within
REPLICATES = 400  # of the documents, for quantiles
DIGITS = 10


@dataclass(frozen=True)
class Estimate:
    """se: standard error. low, high: the ends of the 95% interval."""

    value: float
    se: float
    low: float
    high: float

    def as_json(self) -> dict[str, float | list[float]]:
        value, se, low, high = (round(one, DIGITS) for one in (self.value, self.se, self.low, self.high))
        return {"value": value, "se": se, "ci95": [low, high]}


def mean_of(sums: Array, counts: Array) -> Estimate:
    """The mean of all tokens. sums, counts: of each document's values, [documents], two or more.

    The ratio estimator with documents as clusters (Cochran, Sampling Techniques, chapter 6), and Student's t with one
    degree of freedom less than documents.
    """
    number, total = len(sums), float(counts.sum())
    value = float(sums.sum()) / total
    residuals = sums - value * counts
    se = math.sqrt(number / (number - 1) * float(np.square(residuals).sum())) / total
    reach = student(number - 1) * se
    return Estimate(value, se, value - reach, value + reach)


def difference_of(sums: Array, others: Array, counts: Array) -> Estimate:
    """Mean of the first less that of the second, both measured on the same tokens: what both find hard cancels."""
    return mean_of(sums - others, counts)


def quantile_of(values: Array, document: NDArray[np.int64], share: float, seed: int = 0) -> Estimate:
    """The value below which `share` of all tokens lie; its error by drawing the documents anew (the bootstrap).

    Draws of a few documents are more alike than other documents would be, and hardly ever reach above what was seen:
    the interval reaches as far to both sides as the draws do to the farther one, in Student's t as `mean_of`.
    values, document: of each token, [tokens]; documents count from 0, two or more.
    """
    order = np.argsort(values, kind="stable")
    ordered, of = values[order], document[order]
    number = int(document.max()) + 1
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(REPLICATES):
        weights = np.bincount(generator.integers(0, number, number), minlength=number)[of].cumsum()
        if weights[-1]:
            drawn.append(ordered[int(np.searchsorted(weights, share * weights[-1]))])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    value, few = float(np.quantile(values, share)), math.sqrt(number / (number - 1))
    reach = float(max(value - low, high - value)) * few * student(number - 1) / NORMAL
    return Estimate(value, float(np.std(drawn, ddof=1)) * few, value - reach, value + reach)


def share_of(count: int, total: int, worth: float | None = None) -> Share:
    """How many of independent trials, with Wilson's interval, which holds near 0 too. worth: as many independent trials
    as these are worth, where they are not."""
    z, rate, n = NORMAL, count / total, total if worth is None else worth
    middle, spread = rate + z * z / (2 * n), z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    ends = [round((middle + sign * spread) / (1 + z * z / n), DIGITS) for sign in (-1, 1)]
    return {"value": round(rate, DIGITS), "count": count, "of": total, "ci95": [max(0.0, ends[0]), min(1.0, ends[1])]}


def value_of(share: Mapping[str, Any] | None) -> float | None:
    """None where it is not known."""
    return None if share is None else float(share["value"])


def share_among(found: Sequence[bool], groups: Sequence[Hashable]) -> Share:
    """The same of trials that are alike within a group, as texts of one beginning are.

    Korn and Graubard's interval (Survey Methodology 24, 1998): of as many independent trials as these are worth by the
    variance between groups, in Student's t. Where all came out alike that is not known, and each group counts once.
    """
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    total, clusters, count = len(found), len(numbers), sum(found)
    if clusters == total:
        return share_of(count, total)
    if clusters == 1 or count in (0, total):
        return share_of(count, total, clusters)
    of = np.array([numbers[group] for group in groups])
    sums, counts = (np.bincount(of, each).astype(np.float64) for each in (np.array(found, np.float64), np.ones(total)))
    rate, se = count / total, mean_of(sums, counts).se
    worth = rate * (1 - rate) / (se * se) * (NORMAL / student(clusters - 1)) ** 2 if se else float(total)
    return share_of(count, total, min(float(total), worth))


def change_of(lost: int, won: int, total: int) -> Estimate:
    """By how much the share of right answers changed, of pairs of which `lost` were right before and `won` are now.

    Agresti and Min's interval (Statistics in Medicine 24, 2005), with half a pair more of each kind: of a few questions
    of which none changed it does not say that none ever will.
    """
    value, n = (won - lost) / total, total + 2
    worse, better = (lost + 0.5) / n, (won + 0.5) / n
    middle, se = better - worse, math.sqrt((worse + better - (better - worse) ** 2) / n)
    return Estimate(value, se, max(-1.0, middle - NORMAL * se), min(1.0, middle + NORMAL * se))


def student(degrees: int) -> float:
    """Student's t that 95% lie within: Cornish-Fisher's expansion, off by less than 1% from 3 degrees on; below, as
    tables have it."""
    if degrees < 3:
        return {1: 12.706, 2: 4.303}[degrees]
    z = NORMAL
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(z + sum(term / degrees**power for power, term in enumerate(terms, start=1)))
