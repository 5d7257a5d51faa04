"""Duplicates go, traps stay, and order does not matter."""

import random

import pytest

from lilm.errors import LilmError
from lilm.train.corpus.document import Document
from lilm.train.corpus.duplicates import drop_exact
from lilm.train.corpus.heldout import repeats, split_heldout
from lilm.train.corpus.near_duplicates import drop_near, jaccard
from lilm.train.corpus.ngrams import code_points, ngram_hashes


def document(name: str, text: str) -> Document:
    return Document(name, "s", "ja", text)


def invented(rng: random.Random, size: int = 400) -> str:
    return "".join(chr(rng.randrange(0x3042, 0x3090)) for _ in range(size))


def edited(text: str, share: float, rng: random.Random) -> str:
    """`text` with one span of `share` of its characters replaced."""
    size = int(len(text) * share)
    at = rng.randrange(len(text) - size)
    return text[:at] + invented(rng, size) + text[at + size :]


def true_similarity(first: str, second: str) -> float:
    sets = [{text[at : at + 5] for at in range(len(text) - 4)} for text in (first, second)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def planted(count: int = 300) -> tuple[list[Document], set[str], set[str]]:
    """Documents, ids of near duplicates among them, ids of traps (similarity below .8)."""
    rng = random.Random(1)
    documents, copies, traps = [], set(), set()
    for number in range(count):
        text = invented(rng)
        documents.append(document(f"{number:04d}-a", text))
        share = (0.02, 0.06, 0.2, 0.3)[number % 4]
        other = document(f"{number:04d}-b", edited(text, share, rng))
        documents.append(other)
        (copies if true_similarity(text, other.text) >= 0.8 else traps).add(other.id)
    return documents, copies, traps


def test_near_duplicates_are_found_and_traps_are_kept() -> None:
    documents, copies, traps = planted()
    kept, drops, clusters = drop_near(documents, 0.8)
    dropped = {drop.document.id for drop in drops}
    assert len(copies) == len(traps) == 150
    assert dropped <= copies  # candidates are verified: no trap goes
    assert len(dropped) >= 0.98 * len(copies)
    assert {kept_document.id for kept_document in kept} == {one.id for one in documents} - dropped
    assert all(len(ids) == 2 and ids[0].endswith("-a") for ids in clusters)


def test_order_does_not_matter() -> None:
    documents, _, _ = planted(60)
    shuffled = random.Random(2).sample(documents, len(documents))
    first = {one.id for one in drop_near(documents, 0.8)[0]}
    assert {one.id for one in drop_near(shuffled, 0.8)[0]} == first
    twice = [*documents, *(document("copy-" + one.id, one.text) for one in documents)]
    assert {one.id for one in drop_exact(twice)[0]} == {one.id for one in drop_exact(twice[::-1])[0]}


def test_the_longest_of_a_cluster_stays() -> None:
    rng = random.Random(3)
    text = invented(rng)
    documents = [document("a", text[:-10]), document("b", text), document("c", text[:-20])]
    kept, drops, clusters = drop_near(documents, 0.8)
    assert [one.id for one in kept] == ["b"]
    assert {drop.document.id: drop.reason for drop in drops} == {"a": "like b", "c": "like b"}
    assert sorted(clusters[0]) == ["a", "b", "c"] and clusters[0][0] == "b"


def test_exact_duplicates_keep_the_first_id() -> None:
    kept, drops = drop_exact([document("2", "同じ"), document("1", "同じ"), document("3", "違う")])
    assert [one.id for one in kept] == ["1", "3"]
    assert [(drop.document.id, drop.reason) for drop in drops] == [("2", "copy of 1")]


def test_texts_shorter_than_an_ngram() -> None:
    kept, _, _ = drop_near([document("1", "雨"), document("2", "雪"), document("3", "")], 0.8)
    assert len(kept) == 3


def test_ngram_hashes_stand_for_ngrams() -> None:
    rng = random.Random(4)
    first = invented(rng)
    second = edited(first, 0.1, rng)
    hashed = [sorted(set(ngram_hashes(code_points(text), 5).tolist())) for text in (first, second)]
    import numpy as np

    found = jaccard(*(np.array(one, dtype=np.uint64) for one in hashed))
    assert found == pytest.approx(true_similarity(first, second), abs=1e-9)


def test_heldout_is_chosen_by_id_and_seed() -> None:
    documents = [document(str(number), invented(random.Random(number), 60)) for number in range(500)]
    training, heldout = split_heldout(documents, 0.02, 2000, seed=0)
    assert len(heldout) == 10 and len(training) == 490
    assert {one.id for one in split_heldout(documents[::-1], 0.02, 2000, seed=0)[1]} == {one.id for one in heldout}
    assert {one.id for one in split_heldout(documents, 0.02, 2000, seed=1)[1]} != {one.id for one in heldout}
    assert len(split_heldout(documents, 0.02, 3, seed=0)[1]) == 3
    assert [len(part) for part in split_heldout(documents[:2], 0.02, 2000, seed=0)] == [1, 1]
    with pytest.raises(LilmError, match="1 document is left of language 'ja'"):
        split_heldout(documents[:1], 0.02, 2000, seed=0)


def test_repeats_are_measured() -> None:
    rng = random.Random(5)
    shared, own = invented(rng, 100), invented(rng, 100)
    figures = repeats([document("1", f"{shared}\n{invented(rng, 90)}")], [document("2", f"{shared}\n{own}")])
    assert figures["lines_in_training"] == 0.5
    assert figures["30_grams_in_training"] == pytest.approx(71 / 172, abs=0.01)
