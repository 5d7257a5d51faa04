"""Whether one learning curve passes another after the pilots' end: power laws through both, and how far to trust them.

bits(t) = floor + scale · t^-rate, as learning curves are usually described (Hestness et al. 2017, arXiv:1712.00409).
Draws with the residuals mixed anew (a bootstrap) say how sure the answer is. Seven points allow no more than that.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

RATES = np.geomspace(0.05, 2.0, 24)
PARAMETERS = 3
FEWEST = 5  # points of a curve
REACH = 20.0  # times as long as the pilots: beyond it nothing is said
DRAWS = 200
SURE = 0.9  # share of the draws that must agree
MOMENTS = 200  # at which two curves are compared

Points = Sequence[tuple[float, float]]
"""(seconds, bits per byte)."""
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Crossing:
    """verdict: whether the second curve is below the first before `until` seconds. between: seconds within which four
    of five draws cross. share: of the draws that do. why: nothing can be said."""

    verdict: Literal["crosses", "stays above", "too little to tell"]
    share: float | None = None
    between: tuple[float, float] | None = None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def crossing(ahead: Points, behind: Points, until: float, seed: int) -> Crossing:
    """When `behind`, which is above `ahead` at its end, passes below it. The same seed gives the same answer."""
    if min(len(ahead), len(behind)) < FEWEST:
        return Crossing("too little to tell", why="too few measurements")
    end = max(ahead[-1][0], behind[-1][0])
    if until <= end:
        return Crossing("stays above", why="the planned training is no longer than the pilots")
    if until > REACH * end:
        return Crossing("too little to tell", why=f"the planned training is more than {REACH:.0f} times as long")
    moments = np.geomspace(end, until, MOMENTS)
    generator = np.random.default_rng(seed)
    one, other = (_draws(points, moments, generator) for points in (ahead, behind))
    below = other < one  # [draws, moments]
    crosses = below[:, -1]
    share = float(crosses.mean())
    if share <= 1 - SURE:
        return Crossing("stays above", share)
    if share < SURE:
        return Crossing("too little to tell", share, why="the curves allow both")
    first = moments[below[crosses].argmax(axis=1)]
    low, high = (float(value) for value in np.quantile(first, (0.1, 0.9)))
    return Crossing("crosses", share, (low, high))


def _draws(points: Points, moments: Floats, generator: np.random.Generator) -> Floats:
    """Fitted curves at `moments`, [DRAWS, moments], each through the fit with its residuals mixed anew."""
    at, bits = (np.array(column, dtype=np.float64) for column in zip(*points, strict=True))
    fitted = _fitted(at, bits[None], at)[0]
    residuals = (bits - fitted) * np.sqrt(len(at) / (len(at) - PARAMETERS))
    return _fitted(at, fitted + generator.choice(residuals, (DRAWS, len(at))), moments)


def _fitted(at: Floats, bits: Floats, moments: Floats) -> Floats:
    """The best power law through each row of `bits` [rows, points], at `moments`: [rows, moments]. For each rate floor
    and scale are least squares."""
    errors, curves = [], []
    for rate in RATES:
        falling = at**-rate
        centred = falling - falling.mean()
        scale = np.maximum(0.0, (bits - bits.mean(axis=1, keepdims=True)) @ centred / (centred @ centred))
        floor = bits.mean(axis=1) - scale * falling.mean()
        below = floor < 0  # no text has less than nothing
        scale = np.where(below, bits @ falling / (falling @ falling), scale)
        floor = np.where(below, 0.0, floor)
        errors.append(((floor[:, None] + scale[:, None] * falling - bits) ** 2).sum(axis=1))
        curves.append(floor[:, None] + scale[:, None] * moments**-rate)
    return np.stack(curves)[np.argmin(errors, axis=0), np.arange(len(bits))]
