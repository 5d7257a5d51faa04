"""JSON that somebody else wrote: read, or refused in one line that names the file."""

import codecs
from pathlib import Path

import pytest

from lilm.errors import LilmError
from lilm.json_file import MAX_DEPTH, read_json_object


@pytest.mark.parametrize("start", [b"", codecs.BOM_UTF8])
def test_an_object(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(start + '{"名": [1, {"b": null}], "whole": "\\ud83d\\ude00"}'.encode())
    assert read_json_object(path) == {"名": [1, {"b": None}], "whole": "😀"}


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"[]", "it holds an array, not an object"),
        (b'"a"', "it holds a string"),
        (b"2", "it holds a number"),
        (b"null", "it holds null"),
        (b"true", "it holds true or false"),
        (b"", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' stands there twice"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "deep"),
        (b'{"a": ' * 200_000, "deep"),
        (b'{"a": ["x\\ud83d"]}', "half a surrogate pair"),
    ],
)
def test_what_is_refused(tmp_path: Path, data: bytes, part: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(LilmError) as found:
        read_json_object(path, remedy="mend it")
    line = found.value.line()
    assert str(path) in line and part in line and line.endswith("mend it")


def test_files_that_are_missing_too_large_or_folders(tmp_path: Path) -> None:
    with pytest.raises(LilmError, match="no such file"):
        read_json_object(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{}" + " " * 100, encoding="utf-8")
    with pytest.raises(LilmError, match="102 bytes, and at most 50"):
        read_json_object(tmp_path / "b.json", max_bytes=50)
    with pytest.raises(LilmError, match="cannot be read"):
        read_json_object(tmp_path)
