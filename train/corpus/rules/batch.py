"""Many texts and what rules want to know of them. Each figure is computed once, for all texts together."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from lilm.recipe import RulesConfig

Figures = npt.NDArray[np.float64]
T = TypeVar("T")


class Batch:
    """exact: no figure may be left uncounted because it is surely within its limit."""

    def __init__(self, texts: Sequence[str], lang: str, rules: RulesConfig, exact: bool = False) -> None:
        self.texts, self.lang, self.rules, self.exact = texts, lang, rules, exact
        self._made: dict[Callable[[Batch], object], object] = {}

    def once(self, make: Callable[["Batch"], T]) -> T:
        """What `make` says of this batch, made at the first call."""
        if make not in self._made:
            self._made[make] = make(self)
        return self._made[make]  # type: ignore[return-value]

    @cached_property
    def characters(self) -> Figures:
        """The number of characters of each text, [texts]."""
        return np.array([len(text) for text in self.texts], dtype=np.float64)


def share(part: Figures, whole: Figures) -> Figures:
    """part / whole, and 0 of nothing; [texts]."""
    return part / np.maximum(whole, 1)
