"""A rule: a figure of each text, and the limit that it must keep."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lilm.recipe import RulesConfig
from lilm.train.corpus.rules.batch import Batch, Figures

JAPANESE = frozenset({"ja"})
ENGLISH = frozenset({"en"})


@dataclass(frozen=True)
class Rule:
    """name: as reports have it. figures: [texts], nan where the rule has no say. limit: from the recipe.

    at_least: whether the figure must be as great as the limit, else as small. says: the figure in words, with
    `{figure}`. detail: more about the text at an index, for the reason. languages: None is all.
    web: whether the rule holds for pages of the web only.
    """

    name: str
    figures: Callable[[Batch], Figures]
    limit: Callable[[RulesConfig], float]
    says: str
    at_least: bool = False
    detail: Callable[[Batch, int], str] | None = None
    languages: frozenset[str] | None = None
    web: bool = False

    def holds_for(self, lang: str, web: bool) -> bool:
        return (self.languages is None or lang in self.languages) and (web or not self.web)

    def refused(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Which texts it refuses, [texts]."""
        figures, limit = batch.once(self.figures), self.limit(batch.rules)
        return figures < limit if self.at_least else figures > limit

    def reason(self, batch: Batch, index: int) -> str:
        """ "4 characters < 50": the figure of one text beside the limit."""
        figure, limit = float(batch.once(self.figures)[index]), self.limit(batch.rules)
        if np.isnan(figure):
            return "does not apply"
        refused = bool(self.refused(batch)[index])
        sign = ("<" if refused else ">=") if self.at_least else (">" if refused else "<=")
        detail = self.detail(batch, index) if self.detail else ""
        return f"{self.says.format(figure=figure)} {sign} {limit:g}{f': {detail}' if detail else ''}"
