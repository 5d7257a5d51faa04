"""Ways to choose types for the same number of bytes: by measured divergence, which an export uses, and those that it
must beat, by the error of the weights and by chance."""

import random
from collections.abc import Sequence

from lilm.export.budget.knapsack import Option, allocate, total_bytes
from lilm.export.budget.table import Row, options


def by_measure(rows: Sequence[Row], budget: int) -> list[int]:
    """Returns each row's choice: together they have the least sum of measured KL divergences that `budget` bytes allow.
    Raises ValueError when the smallest choices do not fit."""
    return allocate(options(rows, lambda choice: choice.kld), budget)


def by_error(rows: Sequence[Row], budget: int) -> list[int]:
    """Chooses as `by_measure` does, but by the least sum of squared errors, weighted by the columns' importance. They
    follow from the weights and their inputs; the model's output is not computed (llama.cpp, pull request 15550)."""
    return allocate(options(rows, lambda choice: choice.error), budget)


def by_relative_error(rows: Sequence[Row], budget: int, outputs: Sequence[float]) -> list[int]:
    """Chooses as `by_error` does, each group's errors as a part of its outputs, so that matrices with large outputs do
    not get all the bits. outputs: of each row, what `error` would be if all its weights were rounded to 0."""
    costs = [
        [Option(one.bytes, one.error / whole if whole else 0.0) for one in row.choices]
        for row, whole in zip(rows, outputs, strict=True)
    ]
    return allocate(costs, budget)


def by_chance(rows: Sequence[Row], budget: int, seed: int) -> list[int]:
    """Chooses at random: begins with the smallest choices and gives random rows random larger ones, until
    none fits."""
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
