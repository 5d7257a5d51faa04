"""Ends a text before a stop text, which may come in several pieces."""

from collections.abc import Sequence


class StopText:
    """Lets a growing text through, but for what may be the beginning of a stop text.

    >>> watch = StopText(["END"])
    >>> watch.add("the E"), watch.add("N"), watch.add("V")
    ('the ', '', 'ENV')
    >>> watch.add("a END b"), watch.found
    ('a ', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.found = False

    def add(self, text: str) -> str:
        """What may be shown now. After `found` there is no more."""
        held = self._held + text
        places = [at for stop in self._stops if (at := held.find(stop)) >= 0]
        if places:
            self.found, self._held = True, ""
            return held[: min(places)]
        longest = max(map(len, self._stops), default=1) - 1
        keep = next((size for size in range(min(longest, len(held)), 0, -1) if self._may_begin(held[-size:])), 0)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def rest(self) -> str:
        """What was kept back, when no more text comes."""
        held, self._held = self._held, ""
        return held

    def _may_begin(self, end: str) -> bool:
        return any(stop.startswith(end) for stop in self._stops)
