"""However many documents there are, what is held of them is bounded; and the answer is that of holding them all."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from lilm.train.corpus import _native
from lilm.train.corpus.blocks import Block, Blocks, make_keys, make_ranks, save_array
from lilm.train.corpus.boilerplate.frequent import count_hashes, kept, save_frequent
from lilm.train.corpus.duplicates.clusters import cluster_figures
from lilm.train.corpus.duplicates.find import find_duplicates
from lilm.train.corpus.duplicates.minhash import band_hashes, clusters, groups, verified_pairs
from lilm.train.corpus.normalise import normalise_all
from lilm.train.corpus.reading import rows, shard, trusted
from lilm.train.corpus.reading.rows import write_rows
from lilm.train.corpus.records import Sorter, group_firsts, read_records, save_columns, write_records
from lilm.train.corpus.sample import sample
from lilm.train.corpus.sources import shards, source_of
from tests.train.corpus.made import LOOSE, config, english_houses

BIG = 1 << 28
RANKS = (1.5, 2.0, 3.0)


def run(label: str, function: Any, tasks: Any) -> list[Any]:
    return [function(task) for task in tasks]


def families(count: int) -> list[str]:
    """Families of texts that are made from each other, shuffled; some texts stand there several times."""
    rng = random.Random(7)
    texts: list[str] = []
    while len(texts) < count:
        family = ["".join(chr(rng.randrange(0x3042, 0x3090)) for _ in range(rng.choice((20, 100, 300))))]
        for _ in range(rng.choice((0, 0, 1, 2, 8, 40))):
            text = rng.choice(family)
            at, size = rng.randrange(len(text)), rng.choice((0, 1, 3, 12))
            family.append(text[:at] + "".join(chr(rng.randrange(0x30A2, 0x30F0)) for _ in range(size)) + text[at:])
        texts += family
    rng.shuffle(texts)
    return texts


def made(texts: list[str], size: int, folder: Path) -> Blocks:
    """The first block is of an earlier corpus; every second one is English."""
    rng, blocks = random.Random(8), []
    for first in range(0, len(texts), size):
        some, path = texts[first : first + size], folder / f"{first:05d}"
        ranks = make_ranks([rng.choice(RANKS) for _ in some], [len(text) for text in some])
        places = np.arange(first, first + len(some), dtype=np.uint64) << np.uint64(24)
        pl.DataFrame({"text": some}).write_parquet(path.with_suffix(".parquet"))
        save_array(path.with_suffix(".npy"), make_keys(places, some, ranks, 0.8))
        lang = "ja" if len(blocks) % 2 else "en"
        blocks.append(
            Block(path.with_suffix(".parquet"), path.with_suffix(".npy"), lang, "s", "s", first, len(some), not first)
        )
    return Blocks(tuple(blocks))


def in_memory(texts: list[str], blocks: Blocks) -> tuple[list[list[int]], list[list[int]]]:
    """Exact and near copies, [copy, kept], by the shortest way there is."""
    first: dict[str, int] = {}
    earlier = blocks.all[0].rows
    exact = [[number, first[text]] for number, text in enumerate(texts) if first.setdefault(text, number) != number]
    exact = [pair for pair in exact if pair[0] >= earlier]
    left = np.array(sorted(set(range(len(texts))) - {copy for copy, _ in exact}), dtype=np.uint32)
    _, ranks, low, high = np.concatenate([np.load(block.keys)[:4] for block in blocks.all], axis=1)[:, left]
    ranks[:earlier] = 0
    order = np.lexsort((high, low, ranks)).astype(np.uint32)
    some = [texts[number] for number in left.tolist()]
    edges = [verified_pairs(some, *groups(band, order), 0.8) for band in band_hashes(some, 0.8).T]
    leaders = clusters(len(some), np.concatenate(edges), order)
    near = [[int(left[at]), int(left[leader])] for at, leader in enumerate(leaders.tolist()) if at != leader]
    return exact, [pair for pair in near if pair[0] >= earlier]


@pytest.mark.parametrize(("size", "memory"), [(300, BIG), (300, 40_000), (1000, 12_000)])
def test_copies_are_those_found_in_memory(size: int, memory: int, tmp_path: Path) -> None:
    texts = families(2000)
    blocks = made(texts, size, tmp_path)
    exact, near = in_memory(texts, blocks)
    copies = find_duplicates(blocks, 0.8, memory, tmp_path / "work", run)
    assert copies.exact.T.tolist() == exact and len(exact) > 100
    assert copies.near.T.tolist() == near and len(near) > 300
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["exact.npy", "near.npy"]  # all else is gone


def test_a_killed_run_goes_on_to_the_same_copies(tmp_path: Path) -> None:
    blocks = made(families(600), 100, tmp_path)
    whole = find_duplicates(blocks, 0.8, 20_000, tmp_path / "whole", run)

    def killed(label: str, function: Any, tasks: Any) -> list[Any]:
        nonlocal left
        answers = []
        for task in tasks:
            if not left:
                raise KeyboardInterrupt
            left -= 1
            answers.append(function(task))
        return answers

    for step in (1, 7, 40, 90, 10_000):
        left = step
        try:
            found = find_duplicates(blocks, 0.8, 20_000, tmp_path / "killed", killed)
        except KeyboardInterrupt:
            continue
        assert found.exact.tolist() == whole.exact.tolist() and found.near.tolist() == whole.near.tolist()
        return
    pytest.fail("never done")


@pytest.mark.parametrize("memory", [BIG, 200])
def test_cluster_figures_are_counted_from_the_copies(memory: int, tmp_path: Path) -> None:
    texts = families(2000)
    blocks = made(texts, 300, tmp_path)
    near = find_duplicates(blocks, 0.8, BIG, tmp_path / "work", run).near
    figures = cluster_figures(blocks, near, memory, tmp_path / "sort")
    by_kept: dict[int, list[int]] = {}
    for copy, best in near.T.tolist():
        by_kept.setdefault(best, []).append(copy)
    assert set(figures) == {"en", "ja"} and not (tmp_path / "sort").exists()
    for lang, found in figures.items():
        mine = {best: copies for best, copies in by_kept.items() if blocks.all[best // 300].lang == lang}
        assert found["clusters"] == len(mine) and found["copies"] == sum(map(len, mine.values()))
        assert sum(found["sizes"].values()) == len(mine)
        ordered = sorted(mine, key=lambda best: (-len(mine[best]), best))
        assert [one["size"] for one in found["biggest"]] == [len(mine[best]) + 1 for best in ordered[:20]]
        for one, best in zip(found["biggest"], ordered, strict=False):
            assert one["text"] == sample(texts[best])
            assert [copy["text"] for copy in one["copies"]] == [sample(texts[copy]) for copy in mine[best][:5]]


@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("memory", [BIG, 9_000, 0])
def test_records_are_sorted_in_memory_and_on_disk(columns: int, memory: int, tmp_path: Path) -> None:
    records = np.random.default_rng(columns).integers(0, 9, (3000, columns)).astype(np.uint64) << np.uint64(61)
    with Sorter(tmp_path / "sort", columns, memory) as sorter:
        for at in range(0, len(records), 700):
            sorter.add(records[at : at + 700])
        found = sorter.sorted().tolist()
        assert bool(list(tmp_path.iterdir())) == (memory != BIG)
    assert found == sorted(records.tolist())
    assert not list(tmp_path.iterdir())


def test_groups_reach_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilm.train.corpus.records.CHUNK", 4)
    values = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 3]
    records = np.array([[value, at] for at, value in enumerate(values)], dtype=np.uint64)
    found = [place for _, firsts in group_firsts(records, 1) for place in firsts.tolist()]
    assert found == [values.index(value) for value in values]


def test_record_files_are_whole_or_not_there(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.uint64).reshape(6, 2)
    with write_records(tmp_path / "rows") as writer:
        writer.write(rows[:2])
        writer.write(rows[2:])
        assert not (tmp_path / "rows").exists()
    assert read_records(tmp_path / "rows", 2).tolist() == rows.tolist()
    with write_records(tmp_path / "none"):
        pass
    assert read_records(tmp_path / "none", 3).shape == (0, 3)
    with pytest.raises(RuntimeError), write_records(tmp_path / "broken"):
        raise RuntimeError
    assert not (tmp_path / "broken").exists()
    save_columns(tmp_path / "columns.npy", [rows.T, rows[:1].T])
    assert np.load(tmp_path / "columns.npy").T.tolist() == [*rows.tolist(), rows[0].tolist()]


@pytest.mark.parametrize("memory", [BIG, 2_000])
def test_what_is_frequent_is_left_for_each_block(memory: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    documents = [np.unique(rng.integers(0, 200, 40).astype(np.uint64) * np.uint64(1 << 56)) for _ in range(60)]
    counts = [tmp_path / f"{at}.npy" for at in range(3)]
    for at, path in enumerate(counts):
        save_array(path, count_hashes(documents[at::3]))
    values, totals = np.unique(np.concatenate(documents), return_counts=True)
    often = {int(value): int(total) for value, total in zip(values, totals, strict=True) if total >= 12}
    save_frequent(counts, 12, memory, tmp_path / "frequent.npy", run)
    found = np.load(tmp_path / "frequent.npy")
    assert dict(zip(*found.tolist(), strict=True)) == often and found[0].tolist() == sorted(often)
    for at, path in enumerate(counts):
        mine = set(np.concatenate(documents[at::3]).tolist())
        assert dict(zip(*np.load(kept(path)).tolist(), strict=True)) == {
            value: total for value, total in often.items() if value in mine
        }
    assert len(list(tmp_path.iterdir())) == 4


def test_arrays_that_do_not_fit_are_refused() -> None:
    rows = np.zeros((4, 2), dtype=np.uint64)
    with pytest.raises(TypeError, match="records must lie in one piece"):
        _native.sort_records(rows[:, :1])
    with pytest.raises(ValueError, match="1 to 6 columns"):
        _native.sort_records(np.zeros((1, 7), dtype=np.uint64))
    with pytest.raises(ValueError, match="room for the runs"):
        _native.merge_records([rows], rows[:3].copy())
    with pytest.raises(IndexError, match="beyond parents"):
        _native.join_pairs(np.zeros(3, dtype=np.uint64), np.array([[0, 3]], dtype=np.uint64))
    with pytest.raises(IndexError, match="beyond parents"):
        _native.set_roots(np.zeros(3, dtype=np.uint64), 0, 4)


MANY = """
import resource, sys
from pathlib import Path
import numpy as np
import polars as pl
import pyarrow as pa
from lilm.train.corpus.blocks import Block, Blocks, save_array
from lilm.train.corpus.duplicates.find import find_duplicates

folder, rows, mix = Path(sys.argv[1]), 100_000, np.uint64(0x9E3779B97F4A7C15)
pl.DataFrame({"text": ["同じ文。"] * rows}).write_parquet(folder / "same.parquet")
blocks = []
for first in range(0, int(sys.argv[2]), rows):
    numbers = np.arange(first, first + rows, dtype=np.uint64)
    keys = np.empty((20, rows), dtype=np.uint64)
    keys[0], keys[1], keys[3] = numbers << np.uint64(24), numbers % np.uint64(3), 0
    keys[2] = (numbers - numbers % np.uint64(10) // np.uint64(9)) * mix  # every tenth is the copy of that before it
    for band in range(16):  # all of one band are alike in pairs, of another in fours
        keys[4 + band] = (numbers >> np.uint64(1 + band % 2)) * mix + np.uint64(band)
    save_array(folder / f"{first}.npy", keys)
    blocks.append(Block(folder / "same.parquet", folder / f"{first}.npy", "ja", "s", "s", first, rows))
warm = Blocks((blocks[0],))
find_duplicates(warm, 0.8, 40_000_000, folder / "warm", lambda label, function, tasks: list(map(function, tasks)))
held = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line)
limit = held * 1024 + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
copies = find_duplicates(
    Blocks(tuple(blocks)), 0.8, 40_000_000, folder / "work", lambda label, function, tasks: list(map(function, tasks))
)
print(copies.exact.shape[1], copies.near.shape[1], len(np.unique(copies.near[1])))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone bounds a process's own memory so")
def test_long_texts_are_judged_a_few_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """256 novels or archives of a forum would take gigabytes."""
    texts = english_houses(60)
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    recipe = config(
        {"name": "a", "lang": "en", "path": str(tmp_path / "a.jsonl")}, rules=LOOSE, score={"trusted": ["a"]}
    )
    together: list[int] = []

    def noted(texts: list[str], *keys: str) -> list[str]:
        together.append(sum(map(len, texts)))
        return normalise_all(texts, *keys)

    for module in (shard, trusted):
        monkeypatch.setattr(module, "BATCH_CHARS", 2_000)
        monkeypatch.setattr(module, "normalise_all", noted)
    [source] = recipe.sources
    task = shard.ShardTask(0, shards(source)[0], source_of(shards(source)[0], source), recipe, 0, tmp_path)
    assert sum(shard.work_shard(task).rows) == 60
    assert [text.strip() for text in trusted._trusted(recipe, 0, "en")] == [text.strip() for text in texts]
    assert sum(together) == 2 * sum(map(len, texts)) and max(together) < 3_000


def test_millions_of_documents_take_no_more_memory(tmp_path: Path) -> None:
    """A limit on what the process may allocate: 90 MB beyond what one block has taken."""
    documents = 1_000_000
    done = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path), str(documents), "90000000"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    exact, near, kept_ones = map(int, done.stdout.split())
    assert exact == documents // 10
    assert near + exact + kept_ones == documents and kept_ones == documents // 4


def test_rows_are_written_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is dropped of one large compressed file, and its ids."""
    monkeypatch.setattr(rows, "HELD", 4)
    for count in (0, 3, 4, 11):
        with write_rows(tmp_path / "a.parquet", {"number": pa.uint64(), "text": pa.string()}) as writer:
            for number in range(count):
                writer.append((number, f"行{number}"))
            assert writer.count == count and not (tmp_path / "a.parquet").exists()
        frame = pl.read_parquet(tmp_path / "a.parquet")
        assert frame.rows() == [(number, f"行{number}") for number in range(count)]
        assert frame.schema == {"number": pl.UInt64, "text": pl.String}
        (tmp_path / "a.parquet").unlink()
