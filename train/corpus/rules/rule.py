"""A rule: a figure of each text, and the limit that it must keep."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lilm.recipe import RulesConfig
from lilm.train.corpus.rules.batch import Batch, Figures

JAPANESE = frozenset({"ja"})
ENGLISH = frozenset({"en"})
LOWER, HIGHER = (0.9, 0.75, 0.5, 0.25), (1.1, 1.25, 1.5, 2.0)  # of a limit: others, of which the report tells


@dataclass(frozen=True)
class Rule:
    """name: as reports have it. figures: [texts], nan where the rule has no say. key: of the limit, in [corpus.rules];
    place: of it, where the key has several, from 0 on.

    at_least: whether the figure must be as great as the limit, else as small. says: the figure in words, with
    `{figure}`. detail: more about the text at an index, for the reason. languages: None is all.
    web: whether the rule holds for pages of the web only.
    """

    name: str
    figures: Callable[[Batch], Figures]
    key: str
    says: str
    at_least: bool = False
    detail: Callable[[Batch, int], str] | None = None
    languages: frozenset[str] | None = None
    web: bool = False
    place: int | None = None

    def limit(self, rules: RulesConfig) -> float:
        limit = getattr(rules, self.key)
        return float(limit if self.place is None else limit[self.place])

    def looser(self, rules: RulesConfig) -> tuple[float, ...]:
        """Limits that let more pass than the recipe's, the nearest first.

        >>> RULE = Rule("min_chars", lambda batch: batch.characters, "min_chars", "", at_least=True)
        >>> RULE.looser(RulesConfig(min_chars=50))
        (45.0, 37.0, 25.0, 12.0)
        """
        limit = getattr(rules, self.key)
        limit = limit if self.place is None else limit[self.place]
        whole = isinstance(limit, int)
        if self.at_least:
            steps = [limit * factor for factor in LOWER]
            found = [float(math.floor(step)) if whole else step for step in steps]
        else:
            steps = [limit * factor for factor in HIGHER] if limit else [1, 2, 5, 10] if whole else [0.01, 0.05, 0.1]
            found = [float(math.ceil(step)) if whole else step for step in steps]
        return tuple(dict.fromkeys(round(one, 4) for one in found if one != limit))

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

    def kept_by(self, batch: Batch, index: int) -> tuple[tuple[float, bool], ...]:
        """Looser limits, and whether each would keep the text."""
        figure = float(batch.once(self.figures)[index])
        return tuple(
            (limit, figure >= limit if self.at_least else figure <= limit) for limit in self.looser(batch.rules)
        )
