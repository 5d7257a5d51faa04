"""Plain text: encodings, separators, globs; what is no text is named with its position."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lilm.errors import LilmError
from lilm.train.corpus.sources import Bad, base, check_source, fingerprints
from tests.train.corpus.conftest import JAPANESE, read, source


@pytest.mark.parametrize("pattern", ["a[1].txt", "*.txt", "**/*.txt", "a[[]1].txt"])
def test_a_folder_with_brackets_in_its_name_is_that_folder(tmp_path: Path, pattern: str) -> None:
    folder = tmp_path / "my [v2] model"
    (folder / "texts [ja]").mkdir(parents=True)
    (folder / "texts [ja]" / "a[1].txt").write_text(JAPANESE, encoding="utf-8")
    assert read(source(folder / "texts [ja]" / pattern)) == [JAPANESE]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp932", "euc_jp", "iso2022_jp"])
def test_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    text = JAPANESE * 3 + "①㈱" * (encoding == "cp932")
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert read(source(tmp_path / "a.txt")) == [text]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp932", "euc_jp"])
def test_encodings_are_detected_with_a_separator(tmp_path: Path, encoding: str) -> None:
    text = "■".join([JAPANESE, "亜", JAPANESE]) + "ソ|||表"  # the second byte of ソ and 表 in CP932 is a backslash
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert read(source(tmp_path / "a.txt", separator="■")) == [JAPANESE, "亜", JAPANESE + "ソ|||表"]
    assert read(source(tmp_path / "a.txt", separator="|||")) == [text.removesuffix("|||表"), "表"]


@pytest.mark.parametrize("separator", ["", "■"])
def test_korean_of_before_unicode_is_read(tmp_path: Path, separator: str) -> None:
    text = (
        "옛날 어느 마을에 고양이가 살았다. (漢字) 똠방각하를 펲시콜라 옆에서 기다렸다."  # 똠 and 펲 are CP949's alone
    )
    (tmp_path / "a.txt").write_bytes(f"{text}■{text}".encode("cp949"))
    assert read(source(tmp_path / "a.txt", lang="ko", separator=separator)) == (
        [text, text] if separator else [f"{text}■{text}"]
    )


@pytest.mark.parametrize(
    ("lang", "data", "position"),
    [
        ("ja", JAPANESE.encode()[:60] + b"\xff" + JAPANESE.encode()[60:], 60),  # damaged UTF-8, valid as no other
        ("ja", JAPANESE.encode()[:31] + JAPANESE.encode()[33:], 30),  # damaged UTF-8 that CP932 could read as junk
        ("ja", JAPANESE.encode("cp932") + b"\xff", len(JAPANESE.encode("cp932"))),  # a byte that CP932 does not define
        ("ja", b"\xef\xbb\xbf" + JAPANESE.encode() + b"\xff", 3 + len(JAPANESE.encode())),
        ("ko", "옛날 ".encode() * 9 + b"\xff", 63),
        ("ko", JAPANESE.encode("cp932"), 0),  # CP949 makes rare syllables of it
        ("ko", JAPANESE.encode("euc_jp"), 0),  # and single letters of this
        ("en", "naïve café".encode("latin-1"), 2),
        ("en", b"abc\0def", 3),
    ],
)
def test_bytes_that_are_no_text_are_named(tmp_path: Path, lang: str, data: bytes, position: int) -> None:
    path = tmp_path / "broken.txt"
    path.write_bytes(data)
    (bad,) = read(source(path, lang=lang))
    assert isinstance(bad, Bad) and bad.where == f"{path}@{position}"
    assert "NUL byte" in bad.what if b"\0" in data else f"byte {data[position]:#04x} is not" in bad.what


def test_bad_input_is_an_error_of_one_line() -> None:
    line = Bad("a.txt@3", "NUL byte", "leave it out").error().line()
    assert line == "a.txt@3: NUL byte — leave it out"


def test_separator_makes_documents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\n<|end|>\ntwo\r\n<|end|>\r\n<|end|>\n\n<|end|>\nthree\r<|end|>\r")
    assert read(source(tmp_path / "a.txt", separator="<|end|>\n")) == ["one\n", "two\n", "three\n"]


def test_a_broken_document_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"".join(JAPANESE.encode() + end for end in (b"#", b"\xff\xfe#", b"\0#", b"")))
    first, broken, nul, last = read(source(path, separator="#"))
    assert first == last == JAPANESE
    size = len(JAPANESE.encode())
    assert isinstance(broken, Bad) and broken.where == f"{path}@{2 * size + 1}"
    assert isinstance(nul, Bad) and nul.where == f"{path}@{3 * size + 4}" and nul.what == "NUL byte"


def test_a_document_over_the_limit_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "RECORD_LIMIT", 1000)
    path = tmp_path / "a.txt"
    path.write_text("one##" + "x" * 3_000_000 + "##two##" + "y" * 1000)
    first, bad, *rest = read(source(path, separator="##"))
    assert first == "one" and rest == ["two", "y" * 1000]
    assert isinstance(bad, Bad) and bad.where == f"{path}@5" and "in one document" in bad.what


def test_globs_are_sorted_and_fingerprinted(tmp_path: Path) -> None:
    for name in ("b/2.txt", "a/9.txt", "a/1.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    config = source(f"{tmp_path}/**/*.txt")
    assert read(config) == ["a/1.txt", "a/9.txt", "b/2.txt"]
    before = fingerprints(config)
    (tmp_path / "a/9.txt").write_text("changed it")
    changed = {Path(path).name for path, mark in fingerprints(config).items() if before[path] != mark}
    assert changed == {"9.txt"}


@pytest.mark.parametrize(
    ("prepare", "pattern", "message"),
    [
        (lambda folder: None, "none.txt", "no such file"),
        (lambda folder: None, "*.txt", "no file matches"),
        (lambda folder: (folder / "a.txt").touch(), "*.txt", "nothing in it"),
        (lambda folder: (folder / "sub").mkdir(), "sub", "is a folder"),
    ],
)
def test_missing_and_empty_sources(
    tmp_path: Path, prepare: Callable[[Path], object], pattern: str, message: str
) -> None:
    prepare(tmp_path)
    with pytest.raises(LilmError, match=message):
        check_source(source(tmp_path / pattern))


@pytest.mark.parametrize("format", ["text", "jsonl", "squad", "html", "warc"])
def test_an_empty_file_among_others_holds_nothing(tmp_path: Path, format: str) -> None:
    (tmp_path / "a").touch()
    assert [item for item in read(source(tmp_path / "a", format)) if isinstance(item, str)] == []


def test_utf_32_is_not_read_as_utf_16(tmp_path: Path) -> None:
    """Which has the same first bytes: what lies beyond 16 bits was lost."""
    (tmp_path / "a.txt").write_bytes("𠮷野家の😀。".encode("utf-32"))
    assert read(source(tmp_path / "a.txt")) == ["𠮷野家の😀。"]
