"""Counts for the report: documents and bytes per step, drops per rule with samples, broken input, time per step.

Every task keeps its own and leaves it as JSON; added up in the order of the plan they do not depend on who worked.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from lilm.disk import writable

SAMPLES = 20
STEPS = ("read", "normalised", "filtered", "exact_deduplicated", "near_deduplicated", "written")


def utf8_size(text: str) -> int:
    return len(text.encode("utf-8", errors="surrogatepass"))


@dataclass
class Tally:
    """steps: source -> step -> {documents, bytes}; drops: rule -> {documents, bytes, samples, kept_by}, the last for
    rules that have a limit: another limit -> documents of these that it would keep; bad: source -> {records, bad,
    samples}; contaminated: documents by evaluation file; seconds and sizes (bytes of UTF-8): by piece of work."""

    steps: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    drops: dict[str, dict[str, Any]] = field(default_factory=dict)
    bad: dict[str, dict[str, Any]] = field(default_factory=dict)
    contaminated: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def count(self, source: str, step: str, documents: int, size: int) -> None:
        entry = self.steps.setdefault(source, {}).setdefault(step, {"documents": 0, "bytes": 0})
        entry["documents"] += documents
        entry["bytes"] += size

    def drop(
        self,
        rule: str,
        document: str,
        reason: str,
        size: int,
        show: Callable[[], tuple[str, list[tuple[int, int]]]],
        kept_by: Sequence[tuple[float, bool]] = (),
    ) -> None:
        """show: makes the sample for the report, a part of the document and what of it is marked. kept_by: other limits
        of the rule, and whether each would keep it."""
        entry = self._drops(rule)
        entry["documents"] += 1
        entry["bytes"] += size
        for limit, keeps in kept_by:
            others = entry.setdefault("kept_by", {})
            others[f"{limit:g}"] = others.get(f"{limit:g}", 0) + keeps
        if len(entry["samples"]) < SAMPLES:
            text, marks = show()
            more = {"marks": [list(mark) for mark in marks]} if marks else {}
            entry["samples"].append({"id": document, "reason": reason, "text": text, **more})

    def _drops(self, rule: str) -> dict[str, Any]:
        return self.drops.setdefault(rule, {"documents": 0, "bytes": 0, "samples": []})

    def broken(self, source: str, where: str, what: str, records: int = 1) -> None:
        entry = self._input(source)
        entry["bad"] += records
        if len(entry["samples"]) < SAMPLES:
            several = {"records": records} if records > 1 else {}
            entry["samples"].append({"where": writable(where), "what": writable(what), **several})

    def record(self, source: str, records: int = 1) -> None:
        """Records read, broken or not."""
        self._input(source)["records"] += records

    def _input(self, source: str) -> dict[str, Any]:
        return self.bad.setdefault(source, {"records": 0, "bad": 0, "samples": []})

    @contextmanager
    def timed(self, step: str, size: int) -> Iterator[None]:
        """Adds what the block took, for `size` bytes of UTF-8."""
        started = time.perf_counter()
        yield
        self.spent(step, time.perf_counter() - started, size)

    def spent(self, step: str, seconds: float, size: int) -> None:
        self.seconds[step] = self.seconds.get(step, 0.0) + seconds
        self.sizes[step] = self.sizes.get(step, 0) + size

    def add(self, other: "Tally") -> None:
        for source, steps in other.steps.items():
            for step, entry in steps.items():
                self.count(source, step, entry["documents"], entry["bytes"])
        for rule, drop in other.drops.items():
            mine = self._drops(rule)
            mine["documents"] += drop["documents"]
            mine["bytes"] += drop["bytes"]
            for limit, documents in drop.get("kept_by", {}).items():
                others = mine.setdefault("kept_by", {})
                others[limit] = others.get(limit, 0) + documents
            mine["samples"] = (mine["samples"] + drop["samples"])[:SAMPLES]
        for source, entry in other.bad.items():
            found = self._input(source)
            found["records"] += entry["records"]
            found["bad"] += entry["bad"]
            found["samples"] = (found["samples"] + entry["samples"])[:SAMPLES]
        for name, documents in other.contaminated.items():
            self.contaminated[name] = self.contaminated.get(name, 0) + documents
        for step, seconds in other.seconds.items():
            self.spent(step, seconds, other.sizes[step])

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def total(cls, tallies: Iterable["Tally"]) -> "Tally":
        whole = cls()
        for one in tallies:
            whole.add(one)
        return whole

    def bytes_after(self, step: str) -> int:
        """Returns the bytes of all sources' documents after `step`."""
        return sum(steps[step]["bytes"] for steps in self.steps.values() if step in steps)

    def sources(self) -> dict[str, dict[str, dict[str, int]]]:
        """source -> step -> documents and bytes, steps in the order of the work."""
        return {
            source: {step: steps[step] for step in STEPS if step in steps}
            for source, steps in sorted(self.steps.items())
        }

    def speeds(self) -> dict[str, dict[str, float]]:
        """Per piece of work: seconds (of all processes together), MB of UTF-8, MB a second."""
        return {
            step: {
                "seconds": round(seconds, 3),
                "mb": round(self.sizes[step] / 1e6, 3),
                "mb_s": round(self.sizes[step] / max(seconds, 1e-9) / 1e6, 1),
            }
            for step, seconds in self.seconds.items()
        }
