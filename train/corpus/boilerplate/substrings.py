"""Runs of characters that stand in many texts, at any place.

Fingerprints find them: of each `window` n-grams in a row one is picked by its hash, so that texts which have a run in
common pick the same of it (winnowing: Schleimer, Wilkerson and Aiken, SIGMOD 2003). Around fingerprints that stand in
many texts all n-grams are counted in their turn, and tell where a run begins and ends. The inner loops are compiled
(native/substrings.cpp).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lilm.train.corpus import _native

Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
Counts = np.ndarray[tuple[int, int], np.dtype[np.uint64]]


@dataclass(frozen=True)
class Substrings:
    """chars: of a run, at least. Counts are [2, hashes]: hash, and texts that it stands in."""

    chars: int

    @property
    def size(self) -> int:
        """Characters of an n-gram."""
        return self.chars // 2 + 1

    @property
    def window(self) -> int:
        """n-grams of which one is picked. No more than `size`, so that between picked ones nothing is left out."""
        return self.chars - self.size + 1

    def fingerprints(self, texts: Sequence[str]) -> Hashes:
        """Distinct fingerprints of each text, concatenated in text order: uint64 [total]."""
        return _native.fingerprints(texts, self.size, self.window)

    def grams(self, texts: Sequence[str], frequent: Counts) -> Hashes:
        """Distinct n-grams around frequent fingerprints of each text, concatenated in text order: uint64 [total]."""
        return _native.grams_near(texts, self.size, self.window, frequent)

    def runs(self, texts: Sequence[str], frequent: Counts, grams: Counts) -> list[list[tuple[int, int, int]]]:
        """Returns, for each text, (from, to, texts that have the rarest n-gram of the run), ascending, none over
        another.

        Every run of `chars` characters that so many texts share is there, however they go on beside it. A run may be
        of several such that follow each other. frequent: fingerprints that stand in so many texts; grams: those of
        the n-grams around them.
        """
        found: list[list[tuple[int, int, int]]] = [[] for _ in texts]
        runs = _native.shared_runs(texts, self.size, self.window, frequent, grams)
        for index, start, stop, documents in runs.tolist():
            found[index].append((start, stop, documents))
        return found
