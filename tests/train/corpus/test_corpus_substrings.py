"""A run of characters that many documents share goes, wherever it stands; what is theirs alone stays."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilm.recipe import DedupConfig
from lilm.train.corpus import _native
from lilm.train.corpus.blocks import Block, make_keys, make_ranks, save_array
from lilm.train.corpus.boilerplate.frequent import count_hashes
from lilm.train.corpus.boilerplate.lines import without_frequent
from lilm.train.corpus.boilerplate.passages import block_runs, find_passages
from lilm.train.corpus.boilerplate.substrings import Counts, Substrings
from lilm.train.corpus.duplicates.find import Copies

NOTICE = (
    "この記事は編集部の許可を得て掲載しています、無断で転載や複製をすることはできませんので、ご利用になるときは"
    "必ず窓口までお問い合わせください、お返事には数日をいただくことがあります、なお担当は水曜日と日曜日が休みです"
)
assert len(NOTICE) > 100


def invented(rng: random.Random, size: int) -> str:
    return "".join(chr(rng.randrange(0x3042, 0x3090)) for _ in range(size))


def often(hashes: Any, documents: int) -> Counts:
    counts = count_hashes([hashes])
    return counts[:, counts[1] >= documents]


def runs_in(texts: list[str], chars: int, documents: int) -> list[list[tuple[int, int, int]]]:
    find = Substrings(chars)
    frequent = often(find.fingerprints(texts), documents)
    return find.runs(texts, frequent, often(find.grams(texts, frequent), documents))


def run(label: str, function: Any, tasks: Any) -> list[Any]:
    return [function(task) for task in tasks]


@pytest.mark.parametrize("chars", [20, 37, 100])
@pytest.mark.parametrize("letters", ["ascii", "latin", "japanese", "rare"])
def test_shared_runs_are_found_to_the_character(chars: int, letters: str) -> None:
    """In text of each width that Python keeps, at every place, from the least length on."""
    first = {"ascii": 0x21, "latin": 0xC0, "japanese": 0x3042, "rare": 0x20000}[letters]
    rng = random.Random(chars)

    def text(size: int) -> str:
        return "".join(chr(first + rng.randrange(60)) for _ in range(size))

    for size in (chars, chars + 1, 3 * chars):
        shared = text(size)
        places = [0, 1, chars // 3, 200]
        # what stands beside it differs, so that no longer run is shared
        texts = [f"{text(at)}{'' if not at else number}{shared}{number}{text(150)}" for number, at in enumerate(places)]
        starts = [one.index(shared) for one in texts]
        assert runs_in(texts, chars, 4) == [[(start, start + size, 4)] for start in starts]
        assert runs_in(texts, chars, 5) == [[]] * 4
    short = text(chars - 1)
    texts = [f"{text(100)}{number}{short}{number}{text(100)}" for number in range(4)]
    assert runs_in(texts, chars, 4) == [[]] * 4


@given(st.lists(st.text("ab", max_size=120), max_size=8), st.integers(2, 4))
def test_no_shared_run_is_missed_and_what_is_cut_is_shared(texts: list[str], documents: int) -> None:
    find = Substrings(20)
    for text, runs in zip(texts, runs_in(texts, 20, documents), strict=True):
        covered = np.zeros(len(text), dtype=bool)
        for start, stop, _ in runs:
            assert not covered[start:stop].any()
            covered[start:stop] = True
        grams = [text[at : at + 20] for at in range(len(text) - 19)]
        for at, gram in enumerate(grams):
            if sum(gram in other for other in texts) >= documents:
                assert covered[at : at + 20].all()
        for start, stop, least in runs:
            shared = [
                sum(text[at : at + find.size] in other for other in texts) for at in range(start, stop - find.size + 1)
            ]
            assert documents <= least <= min(shared, default=least)


def test_a_run_twice_in_one_document_counts_once() -> None:
    rng = random.Random(1)
    texts = [f"{invented(rng, 60)}甲{NOTICE}乙{invented(rng, 60)}丙{NOTICE}丁" for _ in range(2)]
    assert runs_in(texts, 100, 3) == [[], []]
    assert [len(runs) for runs in runs_in(texts, 100, 2)] == [2, 2]


def test_cuts_join_no_lines_and_leave_no_empty_ones() -> None:
    text = f"前書き。{NOTICE[:60]}\n{NOTICE[60:]}\n\n後書き。\nおわり"
    start, stop = text.index(NOTICE[:60]), text.index(NOTICE[60:]) + len(NOTICE) - 60
    assert without_frequent(text, frozenset(), 10, [(start, stop, 7)]) == (
        "前書き。\n\n後書き。\nおわり",
        [],
        [(text[start:stop], 7)],
    )
    assert without_frequent(text, frozenset(), 10, [(start, stop + 2, 7)])[0] == "前書き。\n後書き。\nおわり"
    middle = f"前{NOTICE}後\n次の行"
    assert without_frequent(middle, frozenset(), 10, [(1, 1 + len(NOTICE), 7)])[0] == "前後\n次の行"


def test_a_run_inside_of_a_boilerplate_line_is_counted_as_the_line() -> None:
    from xxhash import xxh3_64_intdigest

    mark = xxh3_64_intdigest(NOTICE.encode())
    text = f"前書き。\n{NOTICE}\n後書き。"
    found = without_frequent(text, frozenset([mark]), 10, [(5, 5 + len(NOTICE), 7)])
    assert found == ("前書き。\n後書き。", [(NOTICE, mark)], [])


@pytest.mark.parametrize(("size", "memory"), [(3, 1 << 28), (20, 3_000)])
def test_blocks_and_passes_do_not_matter_and_copies_do_not_count(size: int, memory: int, tmp_path: Path) -> None:
    rng = random.Random(2)
    texts = [f"{invented(rng, rng.randrange(150))}{at}{NOTICE}{at}{invented(rng, 90)}" for at in range(12)]
    texts += [*[invented(rng, 300) for _ in range(5)], *texts[:2]]
    blocks = []
    for first in range(0, len(texts), size):
        some, path = texts[first : first + size], tmp_path / f"{first:05d}"
        places = np.arange(len(some), dtype=np.uint64)
        pl.DataFrame({"text": some}).write_parquet(path.with_suffix(".parquet"))
        save_array(path.with_suffix(".npy"), make_keys(places, some, make_ranks(None, [1] * len(some)), 1))
        blocks.append(Block(path.with_suffix(".parquet"), path.with_suffix(".npy"), "ja", "s", "s", first, len(some)))
    exact = np.array([[17, 18], [0, 1]], dtype=np.uint64)
    save_array(tmp_path / "exact.npy", exact)
    save_array(tmp_path / "near.npy", exact[:, :0])
    copies = Copies(exact, exact[:, :0], tmp_path / "exact.npy", tmp_path / "near.npy")
    for documents, wanted in ((12, 12), (13, 0)):
        config = DedupConfig(line_documents=documents)
        folder = find_passages(blocks, copies, config, memory, tmp_path / str(documents), run)
        found = [runs for block in blocks for runs in block_runs(folder, block, block.texts(), 100)]
        cut = [text[start:stop] for text, runs in zip(texts[:17], found, strict=False) for start, stop, _ in runs]
        assert cut == [NOTICE] * wanted


def test_recipe_says_how_long_a_run_is() -> None:
    assert DedupConfig(substring_chars=0).substring_chars == 0
    with pytest.raises(ValueError, match="0, or 20 or more"):
        DedupConfig(substring_chars=19)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="window 1 to size"):
        _native.fingerprints(["雨"], 3, 4)
    with pytest.raises(ValueError, match="two rows"):
        _native.grams_near(["雨"], 3, 3, np.zeros((1, 1), dtype=np.uint64))
