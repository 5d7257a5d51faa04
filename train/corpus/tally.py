"""Counts for the report: documents and bytes per source and step, drops per rule with samples, time per step."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lilm.train.corpus.document import Document, Drop
from lilm.train.corpus.rules import sample

SAMPLES = 20
STEPS = ("read", "normalised", "filtered", "exact_deduplicated", "near_deduplicated")


class Tally:
    """Filled while the corpus is made."""

    def __init__(self) -> None:
        self.steps: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self.drops: dict[str, dict[str, Any]] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._bytes: Counter[str] = Counter()

    def count(self, step: str, source: str, text: str) -> int:
        size = len(text.encode("utf-8", errors="surrogatepass"))
        entry = self.steps[source][step]
        entry["documents"] += 1
        entry["bytes"] += size
        return size

    def count_all(self, step: str, documents: Iterable[Document]) -> None:
        for document in documents:
            self.count(step, document.source, document.text)

    def dropped(self, drop: Drop) -> None:
        entry = self.drops.setdefault(drop.rule, {"documents": 0, "bytes": 0, "samples": []})
        entry["documents"] += 1
        entry["bytes"] += len(drop.document.text.encode("utf-8", errors="surrogatepass"))
        if len(entry["samples"]) < SAMPLES:
            text = sample(drop.document.text)
            entry["samples"].append({"id": drop.document.id, "reason": drop.reason, "text": text})

    @contextmanager
    def timed(self, step: str, size: int) -> Iterator[None]:
        """Adds what the block took, for `size` bytes of UTF-8."""
        started = time.perf_counter()
        yield
        self._seconds[step] += time.perf_counter() - started
        self._bytes[step] += size

    def speeds(self) -> dict[str, float]:
        """MB of UTF-8 a second of each step."""
        return {step: round(self._bytes[step] / max(seconds, 1e-9) / 1e6, 1) for step, seconds in self._seconds.items()}

    def sources(self) -> dict[str, dict[str, dict[str, int]]]:
        """source -> step -> documents and bytes, steps in the order of the work."""
        return {
            source: {step: {key: steps[step][key] for key in ("documents", "bytes")} for step in STEPS}
            for source, steps in sorted(self.steps.items())
        }


def cluster_figures(clusters: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Near-duplicate clusters: how many, how many copies went, the biggest few by their kept document."""
    biggest = sorted(clusters, key=lambda ids: (-len(ids), ids[0]))[:SAMPLES]
    return {
        "clusters": len(clusters),
        "copies": sum(len(ids) - 1 for ids in clusters),
        "biggest": [{"kept": ids[0], "size": len(ids), "copies": sorted(ids[1:])[:5]} for ids in biggest],
    }
