"""Means, differences and quantiles of tokens that come in documents, with intervals that know it."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CONFIDENCE = 0.95
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

    values, document: of each token, [tokens]; documents count from 0.
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
    return Estimate(float(np.quantile(values, share)), float(np.std(drawn, ddof=1)), float(low), float(high))


def share_of(count: int, total: int) -> dict[str, float | int | list[float]]:
    """How many of independent trials, with Wilson's interval, which holds near 0 too."""
    z, rate = NormalDist().inv_cdf((1 + CONFIDENCE) / 2), count / total
    middle, spread = rate + z * z / (2 * total), z * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    ends = [round((middle + sign * spread) / (1 + z * z / total), DIGITS) for sign in (-1, 1)]
    return {"value": round(rate, DIGITS), "count": count, "of": total, "ci95": [max(0.0, ends[0]), min(1.0, ends[1])]}


def student(degrees: int) -> float:
    """Student's t that 95% lie within: Cornish-Fisher's expansion, off by less than 1% from 3 degrees on; below, as
    tables have it."""
    if degrees < 3:
        return {1: 12.706, 2: 4.303}[degrees]
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(z + sum(term / degrees**power for power, term in enumerate(terms, start=1)))
