"""Near duplicates go, traps stay, and neither order nor the way there matters."""

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilm.train.corpus import _native
from lilm.train.corpus.bench.near import quality
from lilm.train.corpus.bench.near_data import plant
from lilm.train.corpus.duplicates.minhash import (
    Edges,
    Indices,
    band_hashes,
    clusters,
    groups,
    near_duplicate_leaders,
    verified_pairs,
)


def invented(rng: random.Random, size: int = 400) -> str:
    return "".join(chr(rng.randrange(0x3042, 0x3090)) for _ in range(size))


def edited(text: str, share: float, rng: random.Random) -> str:
    """`text` with one span of `share` of its characters replaced."""
    size = int(len(text) * share)
    at = rng.randrange(len(text) - size)
    return text[:at] + invented(rng, size) + text[at + size :]


def grams(text: str) -> set[str]:
    return {text[at : at + 5] for at in range(max(1, len(text) - 4))}


def true_similarity(first: str, second: str) -> float:
    one, other = grams(first), grams(second)
    return len(one & other) / len(one | other)


def planted(count: int = 300) -> tuple[list[str], set[int], set[int]]:
    """Texts, every second one made from that before it; which of these are near duplicates, and which are traps
    (similarity below .8)."""
    rng = random.Random(1)
    texts: list[str] = []
    copies, traps = set(), set()
    for number in range(count):
        text = invented(rng)
        share = (0.02, 0.06, 0.2, 0.3)[number % 4]
        texts += [text, edited(text, share, rng)]
        (copies if true_similarity(*texts[-2:]) >= 0.8 else traps).add(len(texts) - 1)
    return texts, copies, traps


def copies_of(leaders: Indices) -> set[int]:
    return set(np.flatnonzero(leaders != np.arange(len(leaders))).tolist())


def one_group(count: int) -> tuple[Indices, "np.ndarray[tuple[int], np.dtype[np.uint64]]"]:
    return np.arange(count, dtype=np.uint32), np.array([0, count], dtype=np.uint64)


def pairs_of(edges: Edges) -> set[tuple[int, int]]:
    return {(head, member) for head, member in edges.tolist()}


def test_near_duplicates_are_found_and_traps_are_kept() -> None:
    texts, copies, traps = planted()
    leaders = near_duplicate_leaders(texts)
    dropped = copies_of(leaders)
    assert len(copies) == len(traps) == 150
    assert dropped <= copies  # candidates are verified: no trap goes
    assert len(dropped) >= 0.98 * len(copies)
    assert all(leaders[index] == index - 1 for index in dropped)
    assert (near_duplicate_leaders([text.encode() for text in texts]) == leaders).all()


def test_texts_that_lie_in_a_file_are_compared_where_they_are(tmp_path: Path) -> None:
    texts, _, _ = planted(40)
    (tmp_path / "texts").write_bytes("".join(texts).encode())
    whole = memoryview(np.memmap(tmp_path / "texts", dtype=np.uint8, mode="r").data)
    ends = np.cumsum([0, *(len(text.encode()) for text in texts)]).tolist()
    views = [whole[start:stop] for start, stop in pairwise(ends)]
    group = one_group(len(texts))
    assert pairs_of(verified_pairs(views, *group, 0.8)) == pairs_of(verified_pairs(texts, *group, 0.8)) != set()
    with pytest.raises(TypeError, match="text 0 is memoryview, not str or bytes"):
        verified_pairs([whole[::2]], *one_group(1), 0.8)


def test_less_alike_texts_are_found_at_a_lower_threshold() -> None:
    texts, copies, traps = planted()
    dropped = copies_of(near_duplicate_leaders(texts, threshold=0.5))
    alike = {index for index in copies | traps if true_similarity(texts[index - 1], texts[index]) >= 0.5}
    assert len(alike) > 250 and dropped <= alike and len(dropped) >= 0.95 * len(alike)


def test_order_does_not_matter() -> None:
    texts, _, _ = planted(60)
    texts += [text[:-10] for text in texts[::6]]

    def kept(these: Sequence[str]) -> set[str]:
        best_first = sorted(range(len(these)), key=lambda index: (-len(these[index]), these[index]))
        leaders = near_duplicate_leaders(these, np.array(best_first, dtype=np.uint32))
        return {these[index] for index in set(leaders.tolist())}

    assert kept(texts) == kept(random.Random(2).sample(texts, len(texts))) == kept(texts[::-1])
    assert len(kept(texts)) < len(texts) - 20


def test_the_best_of_a_cluster_stays() -> None:
    rng = random.Random(3)
    text = invented(rng)
    texts = [text[:-10], invented(rng), text, text[:-20]]
    assert near_duplicate_leaders(texts, np.array([2, 0, 1, 3], dtype=np.uint32)).tolist() == [2, 1, 2, 2]
    assert near_duplicate_leaders(texts, np.array([3, 1, 0, 2], dtype=np.uint32)).tolist() == [3, 1, 3, 3]
    assert near_duplicate_leaders(texts).tolist() == [0, 1, 0, 0]


def test_real_text_with_planted_duplicates(shared_data: Path) -> None:
    data = plant(shared_data, 4)
    recall, precision = quality(data, near_duplicate_leaders(data.texts))
    assert recall >= 0.999 and precision >= 0.985


def test_texts_shorter_than_an_ngram() -> None:
    texts = ["雨", "雪", "", "雨", "", "雨だ", "あいうえ", "あいうえお", "a", "a\0", "\0"]
    assert near_duplicate_leaders(texts).tolist() == [0, 1, 2, 0, 2, 5, 6, 7, 8, 9, 10]
    assert near_duplicate_leaders([]).tolist() == []


def test_repetition_counts_once() -> None:
    assert near_duplicate_leaders(["あ" * 5, "あ" * 500, "いろは" * 50, "いろは" * 900]).tolist() == [0, 0, 2, 2]


@given(st.lists(st.text(st.characters(codec=None)), max_size=5))  # surrogates, too
def test_text_and_its_utf8_are_the_same(texts: list[str]) -> None:
    encoded = [text.encode("utf-8", errors="surrogatepass") for text in texts]
    assert (band_hashes(texts, 0.8) == band_hashes(encoded, 0.8)).all()
    mixed: list[str | bytes] = [*texts, *encoded]
    assert near_duplicate_leaders(mixed)[len(texts) :].tolist() == near_duplicate_leaders(texts).tolist()


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_bytes_that_are_no_utf8_are_texts_of_their_own(texts: list[bytes]) -> None:
    leaders = near_duplicate_leaders(texts, threshold=1)
    first: dict[bytes, int] = {}
    expected = [first.setdefault(text, index) for index, text in enumerate(texts)]
    assert [expected[leader] for leader in leaders.tolist()] == expected  # equal bytes are one


def test_a_broken_end_is_told_from_a_whole_one() -> None:
    whole = "吾輩は猫である".encode()
    broken = [whole[:-cut] for cut in range(1, 12)]
    assert near_duplicate_leaders([whole, *broken], threshold=1).tolist() == list(range(12))


@given(st.lists(st.text("ab ", max_size=14), max_size=12), st.sampled_from([0.5, 0.6, 0.75, 0.8, 1.0]))
def test_pairs_are_those_of_true_similarity(texts: list[str], threshold: float) -> None:
    expected, heads = set(), []
    for index, text in enumerate(texts):
        found = next((head for head in heads if true_similarity(texts[head], text) >= threshold), None)
        if found is None:
            heads.append(index)
        else:
            expected.add((found, index))
    assert pairs_of(verified_pairs(texts, *one_group(len(texts)), threshold)) == expected


def test_pairs_do_not_depend_on_calls_or_cache() -> None:
    texts, _, _ = planted(80)
    hashes = band_hashes(texts, 0.6)
    found = [groups(band) for band in hashes.T]
    apart = [pairs_of(verified_pairs(texts, members, offsets, 0.6)) for members, offsets in found]
    members = np.concatenate([members for members, _ in found])
    sizes = np.concatenate([np.diff(offsets) for _, offsets in found])
    offsets = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(sizes)])
    together = pairs_of(verified_pairs(texts, members, offsets, 0.6))
    assert together == set().union(*apart) and len(together) > 50
    assert pairs_of(verified_pairs(texts, members, offsets, 0.6, cache_bytes=0)) == together


def test_a_giant_group_of_like_texts() -> None:
    rng = random.Random(4)
    text = invented(rng)
    texts = [edited(text, 0.02, rng) for _ in range(20_000)]  # all against all: 200 million pairs
    edges = verified_pairs(texts, *one_group(len(texts)), 0.8)
    assert pairs_of(edges) == {(0, index) for index in range(1, len(texts))}


def test_a_giant_group_of_unlike_texts_has_64_heads() -> None:
    rng = random.Random(5)
    texts = [invented(rng) for _ in range(5_000)]
    texts += [edited(texts[index], 0.02, rng) for index in (0, 63, 64)]
    edges = verified_pairs(texts, *one_group(len(texts)), 0.8)
    assert pairs_of(edges) == {(0, 5_000), (63, 5_001)}
    assert near_duplicate_leaders(texts)[5_000:].tolist() == [0, 63, 64]  # the bands of all hold no such group


@pytest.mark.parametrize(
    ("size", "other", "shared"),
    [
        (1, 2, 1),
        (3, 3, 2),
        (8, 40, 6),
        (40, 40, 30),
        (10, 1000, 10),
        (500, 500, 400),
        (700, 5000, 650),
        (3000, 3000, 2900),
    ],
)
def test_sketch_estimates_similarity_without_bias(size: int, other: int, shared: int) -> None:
    rng = random.Random(6)
    pairs = []
    for _ in range(600):
        text = invented(rng, size + other - shared + 4)
        pairs.append((text[: size + 4], text[size - shared :]))
    first, second = (_native.sketch_bands(list(texts), 128, 1) for texts in zip(*pairs, strict=True))
    estimates = (first == second).mean(axis=1)
    truth = np.array([true_similarity(*pair) for pair in pairs])
    variance = truth * (1 - truth) / 128
    assert abs((estimates - truth).mean()) < 4 * np.sqrt(variance.sum()) / len(pairs)
    assert ((estimates - truth) ** 2).sum() < 1.2 * variance.sum()  # no worse than 128 permutations


def test_bands_stay_what_they_are() -> None:
    """An index on disk must be readable by later versions: never change these figures."""
    texts = ["吾輩は猫である。名前はまだ無い。", "Call me Ishmael.", "", "\U0001f63a" * 3 + "é"]
    hashes = band_hashes(texts, 0.8)
    assert hashes.shape == (4, 16) and band_hashes(texts, 0.6).shape == (4, 32)
    assert [f"{value:016x}" for value in hashes[:, 0].tolist()] == [
        "1a8d1a7e430ed469",
        "5e88752d716d25d5",
        "6e6934ae890b532c",
        "345000197c706c5b",
    ]
    assert [f"{value:016x}" for value in hashes[:, 15].tolist()] == [
        "5bf3583a16e53195",
        "f498a72914b5e3c2",
        "26604169fe6cc6e9",
        "6108b5a42c9b9570",
    ]


@given(st.lists(st.integers(0, 4), max_size=30), st.randoms())
def test_groups_are_equal_hashes_in_order(values: list[int], rng: random.Random) -> None:
    order = rng.sample(range(len(values)), rng.randint(0, len(values)))
    expected: dict[int, list[int]] = {}
    for index in order:
        expected.setdefault(values[index], []).append(index)
    band = np.array(values, dtype=np.uint64) << np.uint64(61)
    members, offsets = groups(band, np.array(order, dtype=np.uint32))
    found = [
        members[start:stop].tolist() for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]
    assert found == [group for group in expected.values() if len(group) > 1]


def test_clusters_are_what_edges_connect() -> None:
    edges = np.array([[4, 2], [2, 0], [1, 5]], dtype=np.uint32)
    assert clusters(6, edges).tolist() == [0, 1, 0, 3, 0, 1]
    assert clusters(6, edges, np.array([5, 4, 3, 2, 1, 0], dtype=np.uint32)).tolist() == [4, 5, 4, 3, 4, 5]
    assert clusters(2, np.empty((0, 2), dtype=np.uint32)).tolist() == [0, 1]


def test_wrong_arrays_are_refused_in_one_line() -> None:
    members, offsets = one_group(2)
    with pytest.raises(IndexError, match="members has 1, but there are 1 texts"):
        verified_pairs(["a"], members, offsets, 0.8)
    with pytest.raises(ValueError, match="offsets must ascend"):
        verified_pairs(["a", "b"], members, offsets[1:], 0.8)
    with pytest.raises(ValueError, match="threshold"):
        verified_pairs(["a", "b"], members, offsets, 0.4)
    with pytest.raises(TypeError, match="text 1 is int, not str or bytes"):
        band_hashes(["a", 1], 0.8)  # type: ignore[list-item]
    with pytest.raises(TypeError, match="band must be an array of uint64"):
        groups(np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="order has 3, but there are 3 texts"):
        groups(np.zeros(3, dtype=np.uint64), np.array([3], dtype=np.uint32))
    with pytest.raises(ValueError, match="order must have every text once"):
        clusters(2, np.empty((0, 2), dtype=np.uint32), np.array([1, 1], dtype=np.uint32))
