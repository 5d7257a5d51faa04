"""JSON Lines and SQuAD: every broken line named, archives read up to where they break."""

import bz2
import gzip
import json
import lzma
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from lilm.train.corpus.sources import Bad, base
from tests.train.corpus.conftest import JAPANESE, read, source


def compressed(name: str, data: bytes) -> bytes:
    if name.endswith(".zst"):
        half = len(data) // 2
        # two frames and a skippable one between them, as pzstd writes
        skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"size"
        return zstandard.compress(data[:half]) + skippable + zstandard.compress(data[half:])
    plain = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress, ".jsonl": bytes}
    return plain[Path(name).suffix](data)


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.jsonl.xz", "a.jsonl.bz2"])
def test_jsonl(tmp_path: Path, name: str) -> None:
    lines = [json.dumps({"body": f"{JAPANESE}{number}"}, ensure_ascii=False) for number in range(500)]
    (tmp_path / name).write_bytes(compressed(name, "\n".join(lines).encode()))
    assert read(source(tmp_path / name, "jsonl", field="body")) == [f"{JAPANESE}{number}" for number in range(500)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932", "euc_jp"])
def test_jsonl_of_other_tools(tmp_path: Path, encoding: str) -> None:
    lines = '{"text": "一つ目の表"}\r\n\r\n{"text": "二つ目のソ", "score": NaN}\r\n{"text": " \\n"}'
    (tmp_path / "a.jsonl").write_bytes(lines.encode(encoding))
    assert read(source(tmp_path / "a.jsonl", "jsonl")) == ["一つ目の表", "二つ目のソ"]


TEXTS = [f"{number * number % 9973} {number}" for number in range(60_000)]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.jsonl.xz", "a.jsonl.bz2"])
def test_archives_are_read_up_to_where_they_are_cut_short(tmp_path: Path, name: str) -> None:
    data = compressed(name, b"".join(b'{"text": "%s"}\n' % text.encode() for text in TEXTS))
    (tmp_path / name).write_bytes(data[: len(data) * 5 // 6])
    *good, bad = read(source(tmp_path / name, "jsonl"))
    assert isinstance(bad, Bad) and "broken or cut short" in bad.what
    assert good == TEXTS[: len(good)] and len(good) > len(TEXTS) / 4
    read_so_far = sum(len(f'{{"text": "{text}"}}\n') for text in TEXTS[: len(good)])
    assert read_so_far <= int(bad.where.removeprefix(f"{tmp_path / name}@")) < read_so_far + 30
    (tmp_path / name).write_bytes(data[:-1])
    *good, bad = read(source(tmp_path / name, "jsonl"))
    assert isinstance(bad, Bad) and good == TEXTS[: len(good)]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.jsonl.xz", "a.jsonl.bz2"])
def test_broken_archives_are_noticed(tmp_path: Path, name: str) -> None:
    data = bytearray(compressed(name, b"".join(b'{"text": "%s"}\n' % text.encode() for text in TEXTS)))
    middle = len(data) * 5 // 6
    data[middle : middle + 100] = b"x" * 100
    (tmp_path / name).write_bytes(data)
    items = read(source(tmp_path / name, "jsonl"))
    assert isinstance(items[-1], Bad) and "broken or cut short" in items[-1].what
    assert TEXTS[100] == items[100] and len(items) <= len(TEXTS)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "cut', "not JSON"),
        (b'{"body": "x"}', "no field 'text' (found body)"),
        (b"[1]", "no field 'text' (found list)"),
        (b'{"text": 3}', "is int, not a string"),
        (b'{"text": null}', "is NoneType, not a string"),
        (b'{"text": "\xff"}', "byte 0xff is not"),
        (b'{"text": "a\0b"}', "NUL byte, at position 11 of the line"),
        (b'{"text": "\\ud83d!"}', "half a surrogate pair at character 0"),
        (b'{"a": ' + b"[" * 100_000, "nested too deep"),
        (b'{"text": "x", "id": ' + b"[" * 900 + b"]" * 900 + b"}", "'id' is nested too deep to be an id"),
        (b'{"text": "' + b"x" * 3_000 + b'"}', "line of more than"),
    ],
)
def test_jsonl_names_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, message: str) -> None:
    monkeypatch.setattr(base, "RECORD_LIMIT", 2_000 if b"xxx" in line else 200_000)
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "fine"}\n\n' + line + b'\n{"text": "too"}\n')
    first, bad, last = read(source(tmp_path / "a.jsonl", "jsonl"))
    assert (first, last) == ("fine", "too")
    assert isinstance(bad, Bad) and message in bad.what and bad.where == f"{tmp_path / 'a.jsonl'}:3" and bad.remedy


def test_an_endless_line_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "RECORD_LIMIT", base.MB)
    line = b'{"text": "' + b"x" * (200 * base.MB) + b'"}\n'
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(b'{"text": "a"}\n' + line + b'{"text": "b"}\n'))
    del line
    tracemalloc.start()
    first, bad, last = read(source(tmp_path / "a.jsonl.zst", "jsonl"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (first, last) == ("a", "b")
    assert isinstance(bad, Bad) and bad.what == "line of more than 1 MB" and bad.where.endswith(":2")
    assert peak < 40 * base.MB


def test_squad_contexts_stand_once(tmp_path: Path) -> None:
    paragraphs = [{"context": "甲", "qas": []}, {"context": "乙", "qas": []}, {"context": "甲", "qas": []}]
    (tmp_path / "a.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    assert read(source(tmp_path / "a.json", "squad")) == ["甲", "乙"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"rows": []}', "not of SQuAD's shape"),
        ('{"data": [{"paragraphs": [{"context": 3}]}]}', "shape"),
        ("{", "JSON"),
    ],
)
def test_what_is_not_squad_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    (bad,) = read(source(tmp_path / "a.json", "squad"))
    assert isinstance(bad, Bad) and message in bad.what and bad.where == str(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ('{"text": "あ"}\n'.encode("utf-16"), "UTF-16"),
        (b'[\n {"text": "a"},\n {"text": "b"}\n]', "one JSON list"),
        (b'\xef\xbb\xbf[{"text": "a"}]', "one JSON list"),
    ],
)
def test_what_is_no_json_lines_is_named_once(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(data)
    (bad,) = read(source(tmp_path / "a.jsonl", "jsonl"))
    assert isinstance(bad, Bad) and bad.where == str(tmp_path / "a.jsonl") and what in bad.what
