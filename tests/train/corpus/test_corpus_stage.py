"""The corpus stage as a whole: on small text with everything planted, and on real text."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lilm.documents import count_documents, read_documents, read_texts
from lilm.errors import LilmError
from lilm.hashing import sha256_file
from lilm.progress import Reporter
from lilm.recipe import CorpusConfig
from lilm.stage import Context
from lilm.train.corpus import stage


def config(*sources: dict[str, Any], **keys: Any) -> CorpusConfig:
    return CorpusConfig.model_validate({"sources": sources, **keys})


def hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def small(tmp_path: Path) -> CorpusConfig:
    """40 documents a language, and in Japanese one copy, one edited copy and one short text."""
    ja = [
        "".join(
            f"{number}番目の家の{room}号室には、{number * room % 97}匹の猫と{number + room * 7}冊の本がある。\n"
            for room in range(1, 9)
        )
        for number in range(40)
    ]
    ja += [ja[3], ja[4].replace("本がある。\n", "本がある。", 1) + "終わり。", "短い。"]
    en = [
        "".join(
            f"In house {number}, room {room} has {number * room % 97} cats and {number + room * 7} old books.\n"
            for room in range(1, 9)
        )
        for number in range(40)
    ]
    for lang, texts in (("ja", ja), ("en", en)):
        (tmp_path / f"{lang}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    loose = {"max_repetition": 1.0, "min_compression": 0.0, "near_duplicate": 0.9}
    return config(
        {"name": "a", "lang": "ja", "format": "jsonl", "path": str(tmp_path / "ja.jsonl")},
        {"name": "b", "lang": "en", "format": "jsonl", "path": str(tmp_path / "en.jsonl")},
        **loose,
    )


def test_report_and_documents_agree(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    out = tmp_path / "out"
    out.mkdir()
    artifact = stage.run(small, {}, out, context)
    report = json.loads((out / "report.json").read_text())
    drops = pl.read_parquet(out / "drops.parquet")
    assert dict(zip(drops["id"], drops["rule"], strict=True)) == {
        "a-00000042": "min_chars",
        "a-00000040": "exact_duplicate",
        "a-00000004": "near_duplicate",
    }
    assert {rule: entry["documents"] for rule, entry in report["drops"].items()} == {
        "min_chars": 1,
        "exact_duplicate": 1,
        "near_duplicate": 1,
    }
    assert report["drops"]["min_chars"]["samples"][0]["text"] == "短い。"
    steps = {step: figures["documents"] for step, figures in report["sources"]["a"].items()}
    assert steps == {
        "read": 43,
        "normalised": 43,
        "filtered": 42,
        "exact_deduplicated": 41,
        "near_deduplicated": 40,
    }
    for lang in ("ja", "en"):
        train, heldout = (read_documents(out, lang, split) for split in ("train", "heldout"))
        assert (
            (train.height, heldout.height)
            == (39, 1)
            == tuple(count_documents(out, lang, split) for split in ("train", "heldout"))
        )
        assert not set(train["id"]) & set(heldout["id"])
        assert train.columns == ["id", "source", "text"]
        assert report["languages"][lang]["train"]["bytes"] == sum(len(text.encode()) for text in train["text"])
        assert list(read_texts(out, lang, "train")) == train["text"].to_list()
    assert sum(entry["share"] for entry in report["languages"].values()) == pytest.approx(1, abs=1e-3)
    assert artifact.measurements["mb_per_s"]["filter"] > 0


def test_same_bytes_again_over_what_a_killed_run_left(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    left = tmp_path / "two" / "docs" / "ja" / "train"
    left.mkdir(parents=True)
    (left / "part-00007.parquet").write_bytes(b"half")
    for name in ("one", "two"):
        stage.run(small, {}, tmp_path / name, context)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_long_documents_are_cut(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    out = tmp_path / "out"
    out.mkdir()
    stage.run(small.model_copy(update={"max_chars": 120}), {}, out, context)
    ids = read_documents(out, "en", "train")["id"].to_list()
    assert any(re.fullmatch(r"b-\d{8}\.0003", name) for name in ids)
    assert max(map(len, read_texts(out, "en", "train"))) <= 120


def test_limit_and_changed_file(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    before = stage.external(small, context)
    (tmp_path / "en.jsonl").write_text((tmp_path / "en.jsonl").read_text() + '{"text": "more"}\n')
    changed = [path for path, mark in stage.external(small, context).items() if before[path] != mark]
    assert changed == [str(tmp_path / "en.jsonl")]
    limited = small.model_copy(
        update={"sources": tuple(source.model_copy(update={"limit": 10}) for source in small.sources)}
    )
    out = tmp_path / "out"
    out.mkdir()
    stage.run(limited, {}, out, context)
    assert json.loads((out / "report.json").read_text())["sources"]["b"]["read"]["documents"] == 10


def test_a_source_without_text_is_named(small: CorpusConfig, tmp_path: Path, context: Context) -> None:
    (tmp_path / "en.jsonl").write_text('{"text": " "}\n')
    stage.check(small, context)
    with pytest.raises(LilmError, match="source b: no text came out of it"):
        stage.run(small, {}, tmp_path, context)


def test_check_finds_a_missing_source_before_anything_is_written(small: CorpusConfig, context: Context) -> None:
    missing = small.sources[0].model_copy(update={"path": "/nowhere/*.txt"})
    with pytest.raises(LilmError, match=r"source a: /nowhere/\*\.txt: no file matches"):
        stage.check(small.model_copy(update={"sources": (missing,)}), context)


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of Aozora, JaQuAD, Shakespeare and Sherlock Holmes."""
    from rich.console import Console

    out = tmp_path_factory.mktemp("real")
    sources = (
        ("aozora", "ja", "aozora", "ja_text/aozora/**/*.txt"),
        ("jaquad", "ja", "squad", "ja_text/jaquad_wiki/*.json"),
        ("shakespeare", "en", "text", "en_text/tinyshakespeare/*.txt"),
        ("sherlock", "en", "html", "en_text/sherlock/*.xhtml"),
    )
    recipe = config(
        *(
            {"name": name, "lang": lang, "format": form, "path": f"{shared_data}/{path}"}
            for name, lang, form, path in sources
        )
    )
    context = Context(0, 2, "ja", "en", Reporter(Console(quiet=True)))
    stage.check(recipe, context)
    stage.run(recipe, {}, out, context)
    return out


def both(folder: Path, lang: str, source: str) -> pl.DataFrame:
    frames = [read_documents(folder, lang, "train"), read_documents(folder, lang, "heldout")]
    return pl.concat(frames).filter(pl.col("source") == source).sort("id")


def test_aozora_is_clean(real: Path) -> None:
    texts = both(real, "ja", "aozora")["text"]
    for mark in ("《", "》", "｜", "［＃", "※［", "底本：", "入力：", "青空文庫", "----", "�", "\r", "縺ョ", "縺薙"):
        assert not texts.str.contains(mark, literal=True).any(), mark
    assert texts.str.contains("メロスは激怒した。", literal=True).any()
    assert texts.str.contains("孁", literal=True).any()  # a gaiji, from its JIS X 0213 number


def test_aozora_is_kept(real: Path) -> None:
    drops = pl.read_parquet(real / "drops.parquet").filter(pl.col("source") == "aozora")
    refused = drops.filter(~pl.col("rule").is_in(["exact_duplicate", "near_duplicate"]))
    works = json.loads((real / "report.json").read_text())["sources"]["aozora"]["read"]["documents"]
    assert works > 700
    assert refused["id"].str.slice(0, 15).n_unique() <= 0.05 * works


def test_sherlock_is_intact(real: Path, shared_data: Path) -> None:
    """Every word between the first and the last paragraph of the stories, in order."""
    from lxml import etree

    from lilm.train.corpus.normalise import normalise

    texts = both(real, "en", "sherlock")
    pages = sorted((shared_data / "en_text/sherlock").glob("*.xhtml"))
    for number, page in enumerate(pages):
        if "adventure" not in page.name and "league" not in page.name and "pips" not in page.name:
            continue
        body = etree.fromstring(page.read_bytes()).find("{*}body")
        wanted = normalise("".join(body.itertext()), "en", "keep").split()
        mine = texts.filter(pl.col("id").str.starts_with(f"sherlock-{number:08d}"))["text"]
        found = [word for word in " ".join(mine).split() if word != "-"]
        assert found == [word for word in wanted if word != "-"], page.name


def test_shakespeare_is_whole(real: Path, shared_data: Path) -> None:
    raw = next((shared_data / "en_text/tinyshakespeare").glob("*.txt")).read_text()
    texts = both(real, "en", "shakespeare")["text"]
    assert "".join("".join(texts).split()) == "".join(raw.split())


def test_real_held_out_text_is_new(real: Path) -> None:
    languages = json.loads((real / "report.json").read_text())["languages"]
    for lang in ("ja", "en"):
        assert languages[lang]["heldout"]["documents"] >= 2
        assert languages[lang]["heldout"]["30_grams_in_training"] < 0.05
