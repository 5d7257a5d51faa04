"""How fast near duplicates are found, beside rensa, and how well: on planted duplicates whose similarity is known."""

import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from lilm.errors import LilmError
from lilm.train.corpus.bench.near_data import Planted, plant
from lilm.train.corpus.duplicates.minhash import NGRAM, Indices, near_duplicate_leaders

THRESHOLD = 0.8
SURE = 0.9  # recall is told of pairs as similar as this
ROUNDS = 3
STRINGS_MB = 4.0  # rensa's string path is measured on so much of the data


def measure_near(data_folder: Path | None, target_mb: float = 60) -> dict[str, Any]:
    """MB of UTF-8 a second, in one thread, medians of interleaved rounds. data_folder: has ja_text/aozora; None:
    made-up stories.

    dedup_mb_s: from UTF-8 in memory to the leaders of verified clusters. rensa_matrix_mb_s: the faster of rensa's
    matrix paths, and rensa_string_mb_s its path from strings, on a part of the data; both end with unverified flags.
    recall: share of planted pairs of similarity .9 or more that are in one cluster. precision: share of similarity .8
    or more among all joined pairs: each text with its leader, planted or not, and planted pairs and traps in one
    cluster. Also dedup_mb and dedup_documents: on what. Raises LilmError when there is no text or no rensa.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        return pool.submit(_measure, data_folder, target_mb).result()


def _one_thread() -> None:
    os.environ["RAYON_NUM_THREADS"] = "1"  # before rensa is imported


def _measure(data_folder: Path | None, target_mb: float) -> dict[str, Any]:
    try:
        from lilm.train.corpus.bench import near_rensa as peers
    except ImportError as error:
        raise LilmError("rensa is not installed", where="lilm bench", remedy="pip install 'rensa>=0.5'") from error
    data = plant(data_folder, target_mb)
    part = data.texts[: max(1, round(len(data.texts) * min(1.0, STRINGS_MB / data.megabytes)))]
    part_mb = sum(map(len, part)) / 1e6
    works: dict[str, tuple[float, Callable[[], object]]] = {
        "dedup": (data.megabytes, lambda: near_duplicate_leaders(data.texts, threshold=THRESHOLD)),
        "matrix": (data.megabytes, lambda: peers.flags_by_matrix(data.texts)),
        "one_shot": (data.megabytes, lambda: peers.flags_by_one_shot(data.texts)),
        "strings": (part_mb, lambda: peers.flags_by_strings(part)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, (_size, work) in works.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    speeds = {name: round(works[name][0] / statistics.median(times), 1) for name, times in seconds.items()}
    recall, precision = quality(data, near_duplicate_leaders(data.texts, threshold=THRESHOLD))
    return {
        "dedup_mb_s": speeds["dedup"],
        "rensa_matrix_mb_s": max(speeds["matrix"], speeds["one_shot"]),
        "rensa_string_mb_s": speeds["strings"],
        "recall": round(recall, 5),
        "precision": round(precision, 5),
        "dedup_mb": round(data.megabytes, 1),
        "dedup_documents": len(data.texts),
    }


def quality(data: Planted, leaders: Indices) -> tuple[float, float]:
    """(recall, precision) as in `measure`."""
    similarity = {pair: jaccard(data.texts[pair[0]], data.texts[pair[1]]) for pair in data.pairs}
    found = {pair: bool(leaders[pair[0]] == leaders[pair[1]]) for pair in data.pairs}
    sure = [pair for pair in data.pairs if similarity[pair] >= SURE]
    joined = {frozenset(pair) for pair in data.pairs if found[pair]}
    joined |= {frozenset((int(leaders[at]), at)) for at in np.flatnonzero(leaders != np.arange(len(leaders))).tolist()}
    right = sum(jaccard(*(data.texts[at] for at in pair)) >= THRESHOLD for pair in joined)
    return (sum(found[pair] for pair in sure) / len(sure) if sure else 1.0, right / len(joined) if joined else 1.0)


def jaccard(first: bytes, second: bytes) -> float:
    """Similarity of the sets of 5-grams, from strings: what the engine's own hashes have no part in."""
    one, other = (
        {text[at : at + NGRAM] for at in range(max(1, len(text) - NGRAM + 1))}
        for text in (first.decode(), second.decode())
    )
    return len(one & other) / len(one | other)
