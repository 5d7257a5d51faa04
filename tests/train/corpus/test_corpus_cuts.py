"""Where scores part documents into buckets and drop them: the same however the documents are shared out."""

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilm.train.corpus.score import (
    Cuts,
    bucket_of,
    buckets_of,
    cuts,
    figures,
    histogram,
    merge,
)
from lilm.train.corpus.score.buckets import BARS, BINS, DROPPED


def spread(count: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).lognormal(4, 1, count).astype(np.float32)


@given(
    st.lists(st.floats(1, 1e9, width=32), min_size=1, max_size=60), st.floats(0, 0.95), st.integers(1, 6), st.randoms()
)
def test_cuts_do_not_depend_on_shards(values: list[float], drop: float, buckets: int, rng: random.Random) -> None:
    whole = np.array(values, dtype=np.float32)
    shuffled = rng.sample(values, len(values))
    at = rng.randrange(len(values) + 1)
    shards = [np.array(part, dtype=np.float32) for part in (shuffled[:at], shuffled[at:])]
    counts = merge(map(histogram, shards))
    made = cuts(counts, drop, buckets)
    assert made == cuts(histogram(whole), drop, buckets)
    found = buckets_of(whole, made)
    assert np.count_nonzero(found == DROPPED) <= drop * len(values) + 1e-6
    assert [bucket_of(value, made) for value in values] == [None if one == DROPPED else one for one in found]
    ranked = found[np.argsort(whole)]
    kept = ranked[ranked != DROPPED]
    assert (np.diff(kept) >= 0).all() and (ranked[len(kept) :] == DROPPED).all()  # better is never in a worse bucket


def test_cuts_part_and_drop_shares() -> None:
    values = spread(10_000)
    made = cuts(histogram(values), 0.1, 3)
    found = buckets_of(values, made)
    assert np.count_nonzero(found == DROPPED) == pytest.approx(1000, abs=30)
    assert np.bincount(found[found >= 0]) == pytest.approx([3000] * 3, abs=30)
    assert bucket_of(2.0, made) == 0 and bucket_of(float("inf"), made) is None
    assert bucket_of(float("inf"), cuts(histogram(values), 0, 3)) == 2
    few = cuts(histogram(np.array([10.0, 20.0, 30.0], dtype=np.float32)), 0.34, 3)
    assert [bucket_of(value, few) for value in (10.0, 20.0, 30.0)] == [0, 1, None]


def test_cuts_of_no_documents() -> None:
    made = cuts(merge([]), 0.2, 3)
    assert isinstance(made, Cuts)
    assert sum(figures(merge([]), made)["documents"]) == 0


def test_figures_add_up() -> None:
    values = spread(5_000, 1)
    counts = histogram(values)
    made = cuts(counts, 0.2, 4)
    shown = figures(counts, made)
    assert len(shown["documents"]) <= BARS and len(shown["edges"]) == len(shown["documents"]) + 1
    assert sum(shown["documents"]) == 5_000 == sum(shown["buckets"]) + shown["dropped"]
    assert shown["buckets"] == np.bincount(buckets_of(values, made) + 1)[1:].tolist()
    assert shown["edges"][0] <= values.min() and values.max() <= shown["edges"][-1] * 1.001
    assert shown["edges"] == sorted(shown["edges"]) and shown["cuts"] == sorted(shown["cuts"])
    assert np.count_nonzero(values >= shown["drop_from"]) == pytest.approx(shown["dropped"], abs=5)
    assert figures(counts, cuts(counts, 0, 4))["drop_from"] is None
    assert json.loads(json.dumps(shown)) == shown
    assert len(counts) == BINS
