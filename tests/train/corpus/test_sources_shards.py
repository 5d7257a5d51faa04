"""Shards: their parts put together are what the whole is, whatever the sizes; they go to other processes."""

import json
import pickle
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lilm.errors import LilmError
from lilm.train.corpus.sources import Bad, Item, Shard, base, shards
from lilm.train.corpus.sources import read as read_shard
from lilm.train.corpus.sources.plan import shards as plan
from tests.train.corpus.conftest import JAPANESE, read, source

PATCHED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)


def texts(items: list[Item]) -> list[str | tuple[str, str]]:
    """Items without their places, which are lines when the file is read at once and bytes when it is read in parts."""
    return [item if isinstance(item, str) else ("bad", item.what) for item in items if not isinstance(item, base.Skip)]


@PATCHED
@given(
    lines=st.lists(
        st.one_of(
            st.text(max_size=12).map(lambda text: json.dumps({"text": text}, ensure_ascii=False).encode()),
            st.sampled_from([b"", b"\r", b"{", b'{"text": "\xff"}', b'{"text": "' + b"x" * 80 + b'"}']),
        ),
        max_size=12,
    ),
    end=st.sampled_from([b"", b"\n"]),
    size=st.integers(1, 90),
)
def test_ranges_of_jsonl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[bytes], end: bytes, size: int
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    monkeypatch.setattr(base, "RECORD_LIMIT", 70)
    whole = texts(read(source(path, "jsonl")))
    monkeypatch.setattr(base, "SPLIT", size)
    assert texts(read(source(path, "jsonl"))) == whole


@PATCHED
@given(
    data=st.lists(st.sampled_from(["\n", "\r\n", "\r", "-", "a", "あ", "-\n"]), max_size=40).map("".join),
    separator=st.sampled_from(["\n\n", "\n", "-", "--", "-\n-", "aa", "\n-\n\n", "あ"]),
    size=st.integers(1, 30),
    chunk=st.integers(1, 9),
)
@example(data="a" * 30, separator="aa", size=7, chunk=3)
@example(data="a\r\n\r\nb", separator="\n\n", size=3, chunk=3)
def test_ranges_of_text_with_a_separator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, separator: str, size: int, chunk: int
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data.encode())
    config = source(path, separator=separator)
    normal = data.replace("\r\n", "\n").replace("\r", "\n")
    monkeypatch.setattr("lilm.train.corpus.sources.separator.CHUNK", chunk)
    monkeypatch.setattr(base, "SPLIT", size)
    monkeypatch.setattr(base, "RECORD_LIMIT", 1_000)
    assert read(config) == [part for part in normal.split(separator) if part.strip()]
    monkeypatch.setattr(base, "RECORD_LIMIT", 5)
    assert texts(read(config)) == texts(list(read_shard(Shard("s", "", 1, (str(path),)), config, 0)))


@PATCHED
@given(
    lines=st.lists(st.sampled_from(["", "い", "う" * 9, "え" * 30, "お\r"]), max_size=20),
    size=st.integers(1, 60),
)
def test_text_without_a_separator_is_cut_at_line_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], size: int
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\n".join(lines).encode())
    monkeypatch.setattr(base, "SPLIT", size)
    monkeypatch.setattr(base, "RECORD_LIMIT", 60)
    config = source(path)
    whole = [part for part in read_shard(Shard("s", "", 1, (str(path),)), config, 0) if isinstance(part, str)]
    cut = [part for part in read(config) if isinstance(part, str)]
    assert cut == whole
    short = [line.replace("\r", "\n") for line in lines if len(line.encode()) < 60]
    assert "".join(cut).split() == "\n".join(short).split()


def test_huge_text_is_read_in_parts_when_compressed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(base, "SPLIT", 1000)
    data = (JAPANESE * 100).encode("cp932")
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(data))
    plain, packed = read(source(tmp_path / "a.txt")), read(source(tmp_path / "b.txt.gz"))
    assert plain == packed and len(plain) == -(-len(data) // 1000)
    assert "".join(map(str, plain)) == JAPANESE * 100


@pytest.mark.parametrize("encoding", ["utf-16", "cp932"])
def test_what_cannot_be_cut_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(base, "SPLIT", 100)
    (tmp_path / "a.txt").write_bytes("表|".join([JAPANESE] * 9).encode(encoding))
    config = source(tmp_path / "a.txt", separator="表|")
    assert len(shards(config)) == 1 and read(config) == [JAPANESE] * 9


@pytest.mark.parametrize("group", [7, 1000])
def test_ranges_of_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    frame = pl.DataFrame({"text": [f"{JAPANESE}{number}" for number in range(1000)]})
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=group)
    config = source(tmp_path / "a.parquet", "parquet")
    assert read(config) == frame["text"].to_list()
    monkeypatch.setattr(base, "SPLIT", 1000)
    found = shards(config)
    assert len(found) > 2 and read(config) == frame["text"].to_list()
    assert all(first.end == second.begin for first, second in pairwise(found))


def test_small_files_are_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "BUNDLE", 1000)
    monkeypatch.setattr(base, "SPLIT", 2000)
    sizes = [300, 300, 300, 300, 1500, 5000, 10, 10]
    for number, size in enumerate(sizes):
        (tmp_path / f"{number}.jsonl").write_bytes((b'{"text": "%d"}\n' % number) * (size // 14))
    config = source(f"{tmp_path}/*.jsonl", "jsonl")
    assert [len(shard.paths) for shard in shards(config)] == [3, 1, 1, 1, 1, 1, 2]
    assert [shard.end is None for shard in shards(config)] == [True, True, True, False, False, True, True]
    assert read(config) == [str(number) for number, size in enumerate(sizes) for _ in range(size // 14)]


def test_a_thousand_files_are_few_shards(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number:04d}.txt").write_text(f"{number}")
    config = source(f"{tmp_path}/*.txt")
    assert len(shards(config)) == 1 and read(config) == [str(number) for number in range(1000)]


def test_a_limit_counts_from_the_first_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "SPLIT", 50)
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(b'{"text": "%s%d"}\n' % (name.encode(), n) for n in range(9)))
    (tmp_path / "a0.jsonl").write_text("broken\n")
    config = source(f"{tmp_path}/*.jsonl", "jsonl", limit=11)
    (shard,) = shards(config)
    items = list(read_shard(shard, config, 0))
    assert [item for item in items if isinstance(item, str)] == [f"a{n}" for n in range(9)] + ["b0", "b1"]
    assert sum(isinstance(item, Bad) for item in items) == 1


def test_shards_travel_between_processes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    for config in (source(tmp_path / "a.txt"), source("", "stories", limit=3)):
        (shard,) = shards(config)
        assert pickle.loads(pickle.dumps(shard)) == shard  # noqa: S301 - our own bytes
        assert list(read_shard(shard, config, 0)) == list(read_shard(shard, config, 0))


def test_stories_depend_on_the_seed() -> None:
    config = source("", "stories", limit=5)
    (shard,) = shards(config)
    assert list(read_shard(shard, config, 1)) != list(read_shard(shard, config, 2))


def test_a_file_that_is_gone_is_no_bad_input(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    config = source(tmp_path / "a.txt")
    (shard,) = plan(config)
    (tmp_path / "a.txt").unlink()
    with pytest.raises(LilmError, match=r"cannot be read \(No such file"):
        list(read_shard(shard, config, 0))
