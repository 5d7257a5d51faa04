"""What measuring must beat: choices by the error of the weights alone, and choices by chance, of as many bytes."""

import random
from collections.abc import Sequence

from lilm.export.budget.knapsack import Option, allocate, total_bytes
from lilm.export.budget.table import Row, options


def by_measure(rows: Sequence[Row], budget: int) -> list[int]:
    """The least sum of measured KL divergences within `budget` bytes of matrices."""
    return allocate(options(rows, lambda choice: choice.kld), budget)


def by_error(rows: Sequence[Row], budget: int) -> list[int]:
    """The least sum of weighted squared errors: what can be known of the weights and their inputs without asking what
    the model says (llama.cpp, pull request 15550, allocates by such errors)."""
    return allocate(options(rows, lambda choice: choice.error), budget)


def by_chance(rows: Sequence[Row], budget: int, seed: int) -> list[int]:
    """Upgrades of random groups to random larger options until none fits: as many bytes, without a reason."""
    groups: list[list[Option]] = options(rows, lambda choice: 0.0)
    chosen = [min(range(len(group)), key=lambda at: group[at].bytes) for group in groups]
    generator = random.Random(seed)
    left = budget - total_bytes(groups, chosen)
    if left < 0:
        raise ValueError(f"{budget - left} bytes at least, and {budget} are given")
    while True:
        upgrades = [
            (number, at)
            for number, (group, now) in enumerate(zip(groups, chosen, strict=True))
            for at, option in enumerate(group)
            if 0 < option.bytes - group[now].bytes <= left
        ]
        if not upgrades:
            return chosen
        number, at = generator.choice(upgrades)
        left -= groups[number][at].bytes - groups[number][chosen[number]].bytes
        chosen[number] = at
