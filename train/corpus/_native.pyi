"""The compiled part (native/); what its functions mean stands in the modules that wrap them."""

from collections.abc import Sequence

import numpy as np

# near_duplicates.cpp, for near_duplicates.py

def sketch_bands(
    texts: Sequence[str | bytes], bands: int, rows: int
) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]: ...
def band_groups(
    band: np.ndarray[tuple[int], np.dtype[np.uint64]], order: np.ndarray[tuple[int], np.dtype[np.uint32]] | None = None
) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint32]], np.ndarray[tuple[int], np.dtype[np.uint64]]]: ...
def verified_pairs(
    texts: Sequence[str | bytes | memoryview],
    members: np.ndarray[tuple[int], np.dtype[np.uint32]],
    offsets: np.ndarray[tuple[int], np.dtype[np.uint64]],
    threshold: float,
    cache_bytes: int,
) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]: ...
def cluster_leaders(
    count: int,
    shared: np.ndarray[tuple[int, int], np.dtype[np.uint32]],
    order: np.ndarray[tuple[int], np.dtype[np.uint32]] | None = None,
) -> np.ndarray[tuple[int], np.dtype[np.uint32]]: ...

# records.cpp, for steps/records.py and steps/near.py

def sort_records(records: np.ndarray[tuple[int, int], np.dtype[np.uint64]]) -> None: ...
def merge_records(
    runs: Sequence[np.ndarray[tuple[int, int], np.dtype[np.uint64]]],
    merged: np.ndarray[tuple[int, int], np.dtype[np.uint64]],
) -> None: ...
def join_pairs(
    parents: np.ndarray[tuple[int], np.dtype[np.uint64]], pairs: np.ndarray[tuple[int, int], np.dtype[np.uint64]]
) -> None: ...
def set_roots(
    parents: np.ndarray[tuple[int], np.dtype[np.uint64]], first: int, last: int
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]: ...

# substrings.cpp, for substrings.py

def fingerprints(texts: Sequence[str], size: int, window: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]: ...
def grams_near(
    texts: Sequence[str], size: int, window: int, frequent: np.ndarray[tuple[int, int], np.dtype[np.uint64]]
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]: ...
def shared_runs(
    texts: Sequence[str],
    size: int,
    window: int,
    frequent: np.ndarray[tuple[int, int], np.dtype[np.uint64]],
    shared: np.ndarray[tuple[int, int], np.dtype[np.uint64]],
) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]: ...

# text_stats.cpp, for rules/ and normalise.py. Figures have a row for each text; what the columns are stands in the
# module under lilm.train.corpus.rules that asks for them.

_Figures = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

def class_counts(texts: Sequence[str], classes: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> _Figures: ...
def line_figures(texts: Sequence[str], short_chars: int) -> _Figures: ...
def sentence_figures(texts: Sequence[str]) -> _Figures: ...
def word_figures(texts: Sequence[str], stop_words: Sequence[str]) -> _Figures: ...
def repetition_figures(
    texts: Sequence[str], tops: Sequence[tuple[int, float]], duplicates: Sequence[tuple[int, float]], few: int
) -> _Figures: ...
def compression_figures(texts: Sequence[str], excerpt: int) -> _Figures: ...

class WordFinder:
    def __init__(self, lists: Sequence[Sequence[str]]) -> None: ...
    def counts(self, texts: Sequence[str], lists: int) -> _Figures: ...
    def found(self, text: str) -> list[tuple[int, str]]: ...

class Normaliser:
    def __init__(self, table: dict[int, str], composing: Sequence[int], collapse: bool, marks: str) -> None: ...
    def __call__(self, texts: Sequence[str]) -> list[str]: ...
