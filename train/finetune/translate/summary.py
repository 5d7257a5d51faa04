"""What became of the chats: counts, the first failures of each kind, and those with the lowest scores."""

import heapq
from collections import Counter
from statistics import median
from typing import Any, NamedTuple

from lilm.chat import Message
from lilm.train.finetune.translate.chat import Translated
from lilm.train.finetune.translate.pairs import Pair
from lilm.train.finetune.translate.suspect import Problem

SHOWN_FAILURES = 10  # of a kind
SHOWN_CHATS = 200


class Row(NamedTuple):
    """A chat on the page. number: from 1, of the set that was read."""

    number: int
    score: float | None
    original: list[Message]
    old: list[Message] | None
    new: list[Message]
    backs: list[str]


class Failure(NamedTuple):
    number: int
    problem: Problem
    source: str
    said: str
    kept_old: bool


class Summary:
    """chats: how many there are in all."""

    def __init__(self, chats: int) -> None:
        self.chats, self.translated, self.kept_old = chats, 0, 0
        self.failures: list[Failure] = []
        self._kinds: Counter[str] = Counter()
        self._why: dict[str, str] = {}
        self._scores: list[float] = []
        self._lowest: list[tuple[float, int, Row]] = []

    def add(self, number: int, pair: Pair, outcome: Translated, kept_old: bool) -> None:
        """kept_old: whether the old chat stands for one that failed."""
        if outcome.problem is not None:
            self.count(outcome.problem)
            self.kept_old += kept_old
            if self._kinds[outcome.problem.kind] <= SHOWN_FAILURES:
                self.failures.append(Failure(number, outcome.problem, outcome.source, outcome.said, kept_old))
            return
        self.translated += 1
        row = Row(number, outcome.rounded, pair.original, pair.old, outcome.messages, outcome.backs)
        if outcome.score is not None:
            self._scores.append(outcome.score)
        known = 1.0 if outcome.score is None else outcome.score
        heapq.heappush(self._lowest, (-known, -number, row))
        if len(self._lowest) > SHOWN_CHATS:
            heapq.heappop(self._lowest)

    def count(self, problem: Problem) -> None:
        self._kinds[problem.kind] += 1
        self._why.setdefault(problem.kind, str(problem))

    @property
    def lowest(self) -> list[Row]:
        """The chats with the lowest scores first, those without one last."""
        return [row for *_, row in sorted(self._lowest, key=lambda one: (-one[0], -one[1]))]

    def counts(self) -> dict[str, Any]:
        failed = dict(sorted(self._kinds.items(), key=lambda one: (-one[1], one[0])))
        spread = {"median": median(self._scores), "lowest": min(self._scores)} if self._scores else {}
        score = {name: round(value, 4) for name, value in spread.items()} or None
        left_out = self._kinds.total() - self.kept_old
        return {
            "chats": self.chats,
            "translated": self.translated,
            "kept_old": self.kept_old,
            "left_out": left_out,
            "failed": failed,
            "score": score,
        }

    def why(self) -> str:
        """The kinds of failures, most first, the first of them with what was found."""
        kinds = self._kinds.most_common()
        return ", ".join(f"{count} × {self._why[kind] if not at else kind}" for at, (kind, count) in enumerate(kinds))

    def lines(self) -> list[str]:
        """For the screen."""
        counts = self.counts()
        told = [f"  {counts['translated']} of {counts['chats']} chats are translated"]
        if counts["score"]:
            middle, lowest = counts["score"]["median"], counts["score"]["lowest"]
            told[0] += f"; translated back, chrF {middle:.2f} (median; lowest {lowest:.2f})"
        told += [f"  failed: {count} × {kind}" for kind, count in counts["failed"].items()]
        if counts["failed"]:
            kept, left_out = counts["kept_old"], counts["left_out"]
            told.append(f"  of those {kept} keep their old translation, {left_out} are left out")
        return told
