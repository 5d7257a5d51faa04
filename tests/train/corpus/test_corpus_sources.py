"""Every format read, and every broken file named."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import Skip, check_source, fingerprints, shards
from lilm.train.corpus.sources.aozora import clean, parts

JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n"
LINE = "-" * 55


def source(path: Path | str, format: str = "text", lang: str = "ja", **keys: object) -> SourceConfig:
    return SourceConfig.model_validate({"name": "s", "lang": lang, "format": format, "path": str(path), **keys})


def read(config: SourceConfig) -> list[str | Skip]:
    return [item for shard in shards(config, 0) for item in shard.read()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932", "euc_jp"])
def test_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes((JAPANESE * 3 + "①㈱" * (encoding == "cp932")).encode(encoding))
    assert read(source(tmp_path / "a.txt"))[0].startswith(JAPANESE)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("lang", "data", "position"),
    [
        ("ja", JAPANESE.encode()[:60] + b"\xff" + JAPANESE.encode()[60:], 60),  # damaged UTF-8, valid as no other
        ("ja", JAPANESE.encode()[:31] + JAPANESE.encode()[33:], 30),  # damaged UTF-8 that CP932 could read as junk
        ("en", "naïve café".encode("latin-1"), 2),
    ],
)
def test_undecodable_bytes_are_named(tmp_path: Path, lang: str, data: bytes, position: int) -> None:
    path = tmp_path / "broken.txt"
    path.write_bytes(data)
    with pytest.raises(LilmError, match=f"position {position} ") as caught:
        read(source(path, lang=lang))
    assert str(path) in caught.value.line()


def test_nul_bytes_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc\0def")
    with pytest.raises(LilmError, match="NUL byte at position 3"):
        read(source(tmp_path / "a.txt"))


def test_separator_makes_documents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n<|end|>\ntwo\n<|end|>\n")
    assert read(source(tmp_path / "a.txt", separator="<|end|>\n")) == ["one\n", "two\n"]


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


def compressed(name: str, data: bytes) -> bytes:
    if name.endswith(".zst"):
        half = len(data) // 2
        return zstandard.compress(data[:half]) + zstandard.compress(data[half:])  # two frames, as pzstd writes
    return gzip.compress(data) if name.endswith(".gz") else data


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_jsonl(tmp_path: Path, name: str) -> None:
    lines = [json.dumps({"body": f"{JAPANESE}{number}"}, ensure_ascii=False) for number in range(500)]
    data = "\n".join(lines).encode()
    (tmp_path / name).write_bytes(compressed(name, data))
    assert read(source(tmp_path / name, "jsonl", field="body")) == [f"{JAPANESE}{number}" for number in range(500)]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_truncated_archives_are_refused(tmp_path: Path, name: str) -> None:
    data = b"".join(b'{"text": "%d"}\n' % number for number in range(50_000))
    (tmp_path / name).write_bytes(compressed(name, data)[:-5])
    with pytest.raises(LilmError, match=r"broken or cut short") as caught:
        read(source(tmp_path / name, "jsonl"))
    assert name in caught.value.line()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "cut', "not JSON"),
        (b'{"body": "x"}', "no field 'text' \\(found body\\)"),
        (b"[1]", "no field 'text'"),
        (b'{"text": 3}', "is int, not a string"),
        (b'{"text": "\xff"}', "byte 0xff at position 10"),
    ],
)
def test_jsonl_names_the_line(tmp_path: Path, line: bytes, message: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "fine"}\n\n' + line + b"\n")
    with pytest.raises(LilmError, match=message) as caught:
        read(source(tmp_path / "a.jsonl", "jsonl"))
    assert "a.jsonl:3" in caught.value.line()


def test_squad_contexts_stand_once(tmp_path: Path) -> None:
    paragraphs = [{"context": "甲", "qas": []}, {"context": "乙", "qas": []}, {"context": "甲", "qas": []}]
    (tmp_path / "a.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    assert read(source(tmp_path / "a.json", "squad")) == ["甲", "乙"]
    (tmp_path / "a.json").write_text('{"rows": []}')
    with pytest.raises(LilmError, match="not of SQuAD's shape"):
        read(source(tmp_path / "a.json", "squad"))


def aozora(header: str = "", body: str = "　本文《ほんぶん》だ。", colophon: str = "底本：「全集」") -> str:
    return (
        f"題\n作者\n\n{LINE}\n【テキスト中に現れる記号について】\n{header}\n{LINE}\n\n{body}\n\n\n{colophon}\n入力：某"
    )


def test_aozora_header_and_colophon_go(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(aozora().replace("\n", "\r\n").encode("cp932"))
    assert [str(item).strip() for item in read(source(tmp_path / "a.txt", "aozora"))] == ["本文だ。"]


def test_aozora_without_a_header_block() -> None:
    assert parts("題\n作者\n\n\n本文。\n底本：全集")[1].strip() == "本文。"


def test_aozora_work_that_speaks_of_its_source() -> None:
    body = "底本：という言葉\n本文。"
    assert parts(aozora(body=body))[1].strip() == body


@pytest.mark.parametrize("place", ["header", "colophon"])
def test_aozora_copyright_is_respected(tmp_path: Path, place: str) -> None:
    note = "＊著作権存続中の作品です。"
    text = aozora(header=note) if place == "header" else aozora(colophon=f"底本：全集\n{note}")
    (tmp_path / "a.txt").write_bytes(text.encode("cp932"))
    (item,) = read(source(tmp_path / "a.txt", "aozora"))
    assert isinstance(item, Skip) and item.rule == "copyright"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("昔｜紅海《こうかい》の底", "昔紅海の底"),
        ("大日※［＃「靈」の「巫」に代えて「女」、第3水準1-47-53］貴《おおひるめむち》", "大日孁貴"),
        ("※［＃「てへん＋発」、129-上段-3］", "〓"),
        ("※［＃「さんずい＋奄」、U+6DFC、103-5］", "\u6dfc"),
        ("※［＃始め二重山括弧、1-1-52］笑※［＃終わり二重山括弧、1-1-53］", "《笑》"),
        ("傍点［＃「傍点」に傍点、［＃中の注］も］だ", "傍点だ"),
        ("［＃ここから２字下げ］\n歌\n［＃ここで字下げ終わり］\n後", "歌\n後"),
        ("いろ／＼とさま／″＼", "いろ〳〵とさま〴〵"),
        ("〔fiance'〕と〔l'hu^tre qu'il a〕と〔一〕", "fiancéとl'hûtre qu'il aと〔一〕"),
    ],
)
def test_aozora_notation(raw: str, expected: str) -> None:
    assert clean(raw) == expected


def test_html_main_text(tmp_path: Path) -> None:
    story = "".join(
        f"<p>これは<time>{n}月</time>の<abbr>第{n}</abbr>段落で、主人公が町を歩く話です。</p>" for n in range(9)
    )
    page = (
        "<html><head><meta charset='Shift_JIS'><title>題</title></head><body><nav><a href='/'>目次へ戻る</a></nav>"
        f"<main><article><h1>題</h1>{story}<pre>int main() {{}}</pre></article></main>"
        "<footer>著者について</footer></body></html>"
    )
    (tmp_path / "a.html").write_bytes(page.encode("cp932"))
    (text,) = read(source(tmp_path / "a.html", "html"))
    assert isinstance(text, str)
    assert all(f"これは{n}月の第{n}段落で" in text for n in range(9))
    assert not any(word in text for word in ("目次へ戻る", "int main", "著者について"))


def test_hub_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(LilmError, match=r"pip install 'datasets"):
        check_source(source("", "hub", repo="owner/name"))
