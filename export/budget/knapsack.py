"""Chooses one option for each group so that all fit and cost least: the multiple-choice knapsack problem."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_UNITS = 100_000  # in which the bytes above the smallest options are counted; more bytes make larger units


@dataclass(frozen=True)
class Option:
    """bytes: of the group in a file. cost: what `allocate` keeps small, in any unit."""

    bytes: int
    cost: float


def allocate(groups: Sequence[Sequence[Option]], budget: int) -> list[int]:
    """Returns the index of one option in each group: together they have at most `budget` bytes and the least cost.

    Dynamic programming over units of bytes. A unit is the greatest common divisor of all differences in bytes: the
    result is then exact. Where that would make more than MOST_UNITS units, a unit is larger and bytes are rounded up to
    units; the bytes that this leaves over go to the options that gain most per byte. The same input gives the same
    result. Raises ValueError when the smallest options do not fit.
    """
    least = [min(option.bytes for option in group) for group in groups]
    free = budget - sum(least)
    if free < 0:
        raise ValueError(f"{sum(least)} bytes at least, and {budget} are given")
    extras = [[option.bytes - low for option in group] for group, low in zip(groups, least, strict=True)]
    unit = math.gcd(*(extra for group in extras for extra in group)) or 1
    unit = max(unit, -(-free // MOST_UNITS))
    room = min(free // unit, sum(-(-max(group) // unit) for group in extras))
    best = np.zeros(room + 1)  # least cost of the groups so far within so many units
    picked: list[np.ndarray] = []
    for group, extra in zip(groups, extras, strict=True):
        costs = np.full(room + 1, np.inf)
        pick = np.zeros(room + 1, np.uint8)
        for at in sorted(range(len(group)), key=lambda at: (extra[at], at)):
            units = -(-extra[at] // unit)
            if units > room:
                continue
            reached = costs[units:]
            new = best[: room + 1 - units] + group[at].cost
            better = new < reached
            reached[better], pick[units:][better] = new[better], at
        best = costs
        picked.append(pick)
    chosen: list[int] = []
    left = room
    for pick, extra in zip(reversed(picked), reversed(extras), strict=True):
        at = int(pick[left])
        chosen.append(at)
        left -= -(-extra[at] // unit)
    chosen.reverse()
    return _filled(groups, chosen, budget)


def _filled(groups: Sequence[Sequence[Option]], chosen: list[int], budget: int) -> list[int]:
    """Returns `chosen` with better options where bytes are left over: again and again, of those that fit, the one that
    gains most per byte, until none gains."""
    chosen = list(chosen)
    while True:
        left = budget - total_bytes(groups, chosen)
        found: tuple[float, int, int] | None = None
        for number, (group, now) in enumerate(zip(groups, chosen, strict=True)):
            for at, option in enumerate(group):
                more, gain = option.bytes - group[now].bytes, group[now].cost - option.cost
                if more <= left and gain > 0:
                    rate = gain / max(more, 1)
                    if found is None or rate > found[0]:
                        found = (rate, number, at)
        if found is None:
            return chosen
        chosen[found[1]] = found[2]


def total_bytes(groups: Sequence[Sequence[Option]], chosen: Sequence[int]) -> int:
    return sum(group[at].bytes for group, at in zip(groups, chosen, strict=True))


def total_cost(groups: Sequence[Sequence[Option]], chosen: Sequence[int]) -> float:
    return math.fsum(group[at].cost for group, at in zip(groups, chosen, strict=True))
