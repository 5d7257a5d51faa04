"""`inspect_file` and the bench's part for rules, on small files."""

import gzip
import json
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lilm.errors import LilmError
from lilm.recipe import CorpusConfig
from lilm.train.corpus.bench.rules import INSTALL, measure_rules
from lilm.train.corpus.inspect import inspect_file

PROSE = (
    "朝になると、村の子どもたちは川のそばへ集まって、昨日の続きを始めました。\n"
    "だれかが大きな石を運び、だれかが木の枝を拾い、少しずつ小さな橋ができていきます。\n"
)


def config(path: Path | str = "nothing", **source: object) -> CorpusConfig:
    values = {"name": "s", "lang": "ja", "format": "text", "path": str(path), **source}
    return CorpusConfig.model_validate({"sources": [values]})


def said(name: Path | str, recipe: CorpusConfig, lang: str = "ja") -> tuple[bool, str]:
    out = StringIO()
    kept = inspect_file(str(name), recipe, lang, Console(file=out, width=160))
    return kept, out.getvalue()


def test_a_text_file_with_all_its_rules(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(PROSE + "ﾃﾞｰﾀ", encoding="cp932")
    kept, out = said(path, config())
    assert kept
    assert "read as text, ja\n" in out
    assert f"{len(PROSE) + 3} characters >= 50" in out
    assert "1 characters in" not in out and "データ" in out
    assert out.rstrip().endswith("kept")


def test_a_record_of_a_file_that_the_recipe_reads(tmp_path: Path) -> None:
    path = tmp_path / "a[1].jsonl.gz"
    records = [{"body": PROSE}, {"body": "短い文。"}]
    path.write_bytes(gzip.compress("".join(json.dumps(record) + "\n" for record in records).encode()))
    recipe = config(tmp_path / "*.gz", format="jsonl", field="body", limit=1)
    assert said(f"{path}:1", recipe)[0]
    kept, out = said(f"{path}:2", recipe)
    assert not kept
    assert "4 characters < 50" in out and "refused by min_chars" in out


def test_a_page_shows_its_boilerplate(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    body = "".join(f"<p>{line}</p>" for line in [*PROSE.split("\n"), "12件のコメント", *PROSE.split("\n")])
    path.write_text(f"<html><body><article>{body}</article></body></html>", encoding="utf-8")
    kept, out = said(path, config())
    assert not kept and "refused by min_web_chars" in out
    assert "page of the web" in out and "counter: 12件のコメント" in out


def test_the_refused_piece_of_a_long_document_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text(PROSE + "東京都千代田区丸之内一丁目九番地、" * 5, encoding="utf-8")
    recipe = config().model_copy(update={"max_chars": 100})
    kept, out = said(path, recipe)
    assert not kept and "this is piece 2" in out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.txt", "no such file"),
        ("", "a folder"),
        ("empty.txt", "nothing in it"),
        ("a.jsonl:9", "no record 9"),
        ("a.jsonl:0", "counted from 1"),
        ("a.jsonl:2", "not JSON"),
    ],
)
def test_what_cannot_be_shown_is_one_line(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": PROSE}) + "\n{broken\n", encoding="utf-8")
    (tmp_path / "empty.txt").touch()
    with pytest.raises(LilmError, match=message):
        said(tmp_path / name, config())


def test_the_bench_measures_without_hojichar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ja_text" / "jaquad_wiki"
    folder.mkdir(parents=True)
    paragraphs = [{"context": PROSE * 20, "qas": []}]
    (folder / "a.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    monkeypatch.setitem(sys.modules, "hojichar", None)
    figures = measure_rules(tmp_path)
    assert figures["rules_mb_s"] > 0 and figures["documents"] >= 1
    assert figures["hojichar_mb_s"] is None and figures["hojichar_install"] == INSTALL
    with pytest.raises(LilmError, match="no text of language 'ja'"):
        measure_rules(tmp_path / "ja_text")
