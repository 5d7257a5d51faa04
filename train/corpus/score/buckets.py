"""From perplexities to buckets: a histogram that shards fill and add up, and cuts at its percentiles.

The histogram has fixed bins of log perplexity, so that it takes the same little memory for any corpus, and the cuts
depend neither on the order of shards nor on how many there are. A bin is WIDTH wide: perplexities within 0.5% are one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lilm.train.corpus.score.scorer import Perplexities

WIDTH = 0.005  # of a bin, in log perplexity
BINS = 4_000  # up to e^20; what lies above is in the last
BARS = 60  # of a chart, at most
DROPPED = -1

Histogram = np.ndarray[tuple[int], np.dtype[np.int64]]
Bins = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Cuts:
    """Where documents are parted. buckets: the last bin of each bucket but the last one. last: the last bin that is
    kept; BINS - 1: nothing is dropped."""

    buckets: tuple[int, ...]
    last: int


def histogram(perplexities: Perplexities) -> Histogram:
    """Documents by bin, [BINS]."""
    return np.bincount(_bins(perplexities), minlength=BINS)


def merge(histograms: Iterable[Histogram]) -> Histogram:
    """The histogram of all documents of several."""
    total = np.zeros(BINS, dtype=np.int64)
    for one in histograms:
        total += one
    return total


def cuts(counts: Histogram, drop: float, buckets: int) -> Cuts:
    """Cuts that drop the worst `drop` of the documents, never more, and part the rest in `buckets` of equal size, as
    far as whole bins allow."""
    upto = np.cumsum(counts)
    total = int(upto[-1])
    dropped = int(drop * total + 1e-6)  # 0.29 * 100 is a little less than 29
    last = int(np.searchsorted(upto, total - dropped)) if dropped else BINS - 1
    kept = int(upto[last])
    edges = (np.searchsorted(upto, -(-kept * part // buckets)) for part in range(1, buckets))
    return Cuts(tuple(int(edge) for edge in edges), last)


def buckets_of(perplexities: Perplexities, cuts: Cuts) -> Bins:
    """Bucket of each document, 0 the best; DROPPED for what the cuts drop."""
    bins = _bins(perplexities)
    found = np.searchsorted(np.array(cuts.buckets, dtype=np.int64), bins)
    return np.where(bins <= cuts.last, found, DROPPED)


def bucket_of(perplexity: float, cuts: Cuts) -> int | None:
    """The bucket of one document, None: dropped."""
    found = int(buckets_of(np.array([perplexity], dtype=np.float32), cuts)[0])
    return None if found == DROPPED else found


def figures(counts: Histogram, cuts: Cuts) -> dict[str, Any]:
    """Returns for the report: `documents` between neighbouring `edges` (perplexities, one more than bars, BARS at
    most), documents by bucket and `dropped`, the perplexities `cuts` between buckets and `drop_from` (None: none)."""
    filled = np.flatnonzero(counts)
    first, stop = (int(filled[0]), int(filled[-1]) + 1) if len(filled) else (0, 1)
    step = -(-(stop - first) // BARS)
    starts = np.arange(first, stop, step)
    upto = np.concatenate([[0], np.cumsum(counts)])
    kept = cuts.last + 1
    return {
        "edges": [_perplexity(at) for at in [*starts.tolist(), int(starts[-1]) + step]],
        "documents": np.add.reduceat(counts[:stop], starts).tolist(),
        "buckets": np.diff(upto[[0, *(last + 1 for last in cuts.buckets), kept]]).tolist(),
        "dropped": int(upto[-1] - upto[kept]),
        "cuts": [_perplexity(last + 1) for last in cuts.buckets],
        "drop_from": _perplexity(kept) if kept < BINS else None,
    }


def _bins(perplexities: Perplexities) -> Bins:
    logs = np.log(np.maximum(perplexities.astype(np.float64), 1.0))
    return np.minimum(logs / WIDTH, BINS - 1).astype(np.int64)


def _perplexity(at: int) -> float:
    """Where a bin begins."""
    return round(float(np.exp(at * WIDTH)), 3)
