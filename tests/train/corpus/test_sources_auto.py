"""`format = "auto"`: a folder is read as its files are, and what is no text is named."""

import bz2
import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.recipe import SourceConfig
from lilm.train.corpus.reading.trusted import _trusted
from lilm.train.corpus.sources import Bad, check_source, shards, source_of
from lilm.train.corpus.sources.detect import REFUSED, detect
from tests.train.corpus.conftest import JAPANESE, read, source
from tests.train.corpus.made import LOOSE, config, english_houses, japanese_houses, made

AOZORA = (
    "吾輩は猫である\n夏目漱石\n\n"
    "　吾輩《わがはい》は猫である。名前《なまえ》はまだ無い。［＃３字下げ］\n" * 5 + "底本：「猫」\n"
)
WARC = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:1>\r\nContent-Length: {size}\r\n\r\n{page}\r\n\r\n"


def page(text: str) -> str:
    return f"<!DOCTYPE html><html><body><article><p>{text * 20}</p></article></body></html>"


FILES: dict[str, tuple[bytes, str]] = {
    "plain.txt": (JAPANESE.encode(), "text"),
    "old.txt": (JAPANESE.encode("cp932"), "text"),
    "noname": (JAPANESE.encode(), "text"),
    "quoted.txt": ((JAPANESE + "彼は《猫》と言った。\n").encode(), "text"),
    "bunko.txt": (AOZORA.encode("cp932"), "aozora"),
    "bunko-plain.txt": (
        f"猫\n夏目漱石\n\n{JAPANESE}\n底本：「猫」\n青空文庫作成ファイル：\n".encode("cp932"),
        "aozora",
    ),
    "wave.txt": (("In a NEWWAVE of " + JAPANESE).encode(), "text"),
    "bunko-utf8.txt.gz": (gzip.compress(AOZORA.encode()), "aozora"),
    "lines.jsonl": (json.dumps({"text": JAPANESE}).encode() + b"\n", "jsonl"),
    "objects.json": (json.dumps({"text": JAPANESE * 3000}).encode(), "jsonl"),
    "squad.json": (
        json.dumps({"data": [{"paragraphs": [{"context": JAPANESE}]}]}, ensure_ascii=False).encode(),
        "squad",
    ),
    "page.dat": (page(JAPANESE).encode(), "html"),
    "chapter.xhtml": (b"<?xml version='1.0'?>\n" + page(JAPANESE).encode(), "html"),
    "dump.xml.bz2": (
        bz2.compress(
            f"<mediawiki><page><ns>0</ns><revision><text>{JAPANESE}</text></revision></page></mediawiki>".encode()
        ),
        "mediawiki",
    ),
    "LINES.JSONL.GZ": (gzip.compress(json.dumps({"text": JAPANESE}).encode() + b"\n"), "jsonl"),
    "table.csv": (f'id,text\n1,{JAPANESE.strip()}\n2,\n3,"犬、\n""猫"""\n'.encode(), "csv"),
    "table.tsv": (f"text\tid\n{JAPANESE.strip()}\t1\n".encode("cp932"), "csv"),
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_is_read_as_what_it_is(tmp_path: Path, name: str) -> None:
    data, format = FILES[name]
    path = tmp_path / name
    path.write_bytes(data)
    assert detect(path).format == format
    items = read(source(tmp_path, "auto"))
    assert items and all(isinstance(item, str) and not isinstance(item, Bad) for item in items), items
    assert any("吾輩は猫である" in str(item) for item in items)
    assert not any(mark in str(item) for item in items for mark in ("わがはい", "［＃", "<p>", "底本"))


def test_pages_among_other_files_are_pages_with_a_limit_too(tmp_path: Path, context: Context) -> None:
    """All files of a source that has a limit are read as one."""
    folder = tmp_path / "all"
    folder.mkdir()
    for number, text in enumerate(english_houses(30)):
        (folder / f"{number:02}.txt").write_text(text + "1200 comments\n")
    lines = [*english_houses(31)[30].splitlines(), "1200 comments", "Continue reading"]
    (folder / "15.html").write_text(f"<html><body><article>{''.join(f'<p>{one}</p>' for one in lines)}")
    (tmp_path / "ja.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in japanese_houses(4)))
    found = []
    for limit in (0, 1000):
        recipe = config(
            {"name": "en", "lang": "en", "path": str(folder), "limit": limit},
            {"name": "ja", "lang": "ja", "path": str(tmp_path / "ja.jsonl")},
            rules=LOOSE | {"min_web_chars": 50, "menu_lines": 0},
            dedup={"near": 1},
        )
        out = made(recipe, tmp_path / f"out-{limit}", context)
        found.append(sorted(text for split in ("train", "heldout") for text in read_texts(out, "en", split)))
    assert found[0] == found[1]
    assert sum("1200 comments" in text for text in found[1]) == 30


def test_scores_are_learnt_from_pages_without_their_menus(tmp_path: Path) -> None:
    lines = [*english_houses(1)[0].splitlines(), "1200 comments"]
    (tmp_path / "a.html").write_text(f"<html><body><article>{''.join(f'<p>{one}</p>' for one in lines)}")
    recipe = config(
        {"name": "en", "lang": "en", "path": str(tmp_path / "*.html")},
        rules=LOOSE | {"min_web_chars": 50, "min_words": 0},
        score={"trusted": ["en"]},
        max_chars=200,
    )
    texts = list(_trusted(recipe, 0, "en"))
    assert len(texts) > 2 and "".join("".join(texts).split()) == "".join(english_houses(1)[0].split())


def test_parquet_and_a_web_archive(tmp_path: Path) -> None:
    pl.DataFrame({"text": [JAPANESE]}).write_parquet(tmp_path / "a.bin")
    block = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{page(JAPANESE)}"
    (tmp_path / "b.bin").write_text(WARC.format(size=len(block.encode()), page=block), newline="", encoding="utf-8")
    assert [detect(tmp_path / name).format for name in ("a.bin", "b.bin")] == ["parquet", "warc"]
    assert len(read(source(tmp_path, "auto"))) == 2


def test_a_table_without_the_column_says_which_it_has(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("本文;番号\n猫;1\n")
    [bad] = read(source(tmp_path / "a.csv", "csv"))
    assert isinstance(bad, Bad) and bad.what == "no column 'text' (found 本文, 番号)"
    assert read(source(tmp_path / "a.csv", "csv", field="本文")) == ["猫"]


def test_a_folder_of_many_kinds_keeps_to_one_order(tmp_path: Path) -> None:
    for name, (data, _) in FILES.items():
        (tmp_path / "sub" if name > "o" else tmp_path).mkdir(exist_ok=True)
        (tmp_path / ("sub" if name > "o" else "") / name).write_bytes(data)
    (tmp_path / ".hidden.txt").write_text("secret")
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    config = source(tmp_path, "auto")
    found = shards(config)
    assert found == shards(config)
    assert sorted(Path(path).name for shard in found for path in shard.paths) == sorted(FILES)
    assert all(len(set(shard.formats)) == 1 for shard in found), "rules for pages hold for pages alone"
    assert {source_of(shard, config).is_web for shard in found} == {True, False}
    assert len(found) == len({format for _, format in FILES.values()}), "small files of a format are read together"
    assert len(read(config.model_copy(update={"limit": 4}))) == 4


REFUSALS = {
    "letter.docx": (b"PK\x03\x04\0\0", "a Word document"),
    "sheet.xlsx": (b"PK\x03\x04\0\0", "an Excel sheet"),
    "all.zip": (b"PK\x03\x04\0\0", "a zip archive"),
    "old.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Word or Excel file"),
    "paper.txt": (b"%PDF-1.7\n", "a PDF"),
    "photo.jpg": (b"\xff\xd8\xff\xe0", "an image"),
    "drawing.svg": (b"<svg xmlns='x'></svg>", "an image"),
    "feed.xml": (b"<?xml version='1.0'?><rss></rss>", "XML that is neither a page nor a MediaWiki dump"),
    "config.json": (b'{\n "a": 1\n}\n', "JSON of another shape than lines of objects or SQuAD's"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_no_text_is_named(tmp_path: Path, name: str) -> None:
    data, what = REFUSALS[name]
    (tmp_path / name).write_bytes(data)
    assert (detect(tmp_path / name).format, detect(tmp_path / name).what) == (REFUSED, what)
    [bad] = read(source(tmp_path, "auto"))
    assert isinstance(bad, Bad) and (bad.where, bad.what) == (str(tmp_path / name), what)


def test_files_that_are_no_text_stop_the_run_before_it_begins(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02d}.txt").write_text(JAPANESE)
    for number in range(12):
        (tmp_path / f"{number:02d}.pdf").write_bytes(b"%PDF-1.7")
    config: SourceConfig = source(tmp_path, "auto")
    with pytest.raises(LilmError) as caught:
        check_source(config, 0.01)
    line = caught.value.line()
    assert "12 of 32 files are no text: 00.pdf (a PDF), 01.pdf (a PDF)" in line
    assert "09.pdf (a PDF) and 2 more" in line and "corpus.max_bad = 0.38 goes on without" in line
    check_source(config, 0.38)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.tsv", "text\nDer Hund, der bellte, schläft.\n", ["Der Hund, der bellte, schläft."]),
        ("a.csv", 'id,text\n1,Der Hund, der bellte, schläft.\n2,"Eine Katze, ja."\n', [4, "Eine Katze, ja."]),
        ("b.csv", "text\nHunde, Katzen\n", [2]),
        ("c.csv", "id,text\n1,Eine Katze.,\n", ["Eine Katze."]),
    ],
)
def test_a_row_with_more_cells_than_columns_is_named_and_not_cut(
    tmp_path: Path, name: str, text: str, found: list[str | int]
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    items = read(source(tmp_path / name, "csv"))
    told = [int(item.what.split()[0]) if isinstance(item, Bad) else str(item) for item in items]
    assert told == found
