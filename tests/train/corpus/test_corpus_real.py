"""The stage on real text: Aozora Bunko, JaQuAD, Sherlock Holmes and Shakespeare."""

import json
from pathlib import Path

import polars as pl
import pytest

from lilm.documents import read_documents
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.train.corpus import stage
from tests.train.corpus.made import config


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
    drops = pl.concat([pl.read_parquet(path) for path in sorted((real / "drops").glob("*.parquet"))])
    drops = drops.filter(pl.col("source") == "aozora")
    refused = drops.filter(~pl.col("rule").is_in(["exact_duplicate", "near_duplicate"]))
    works = json.loads((real / "report.json").read_text())["sources"]["aozora"]["read"]["documents"]
    assert works > 700
    assert refused["id"].str.split(".").list.first().n_unique() <= 0.05 * works


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
        mine = texts.filter(pl.col("id").str.contains(rf"^sherlock-\d+-{number:07d}(\.|$)"))["text"]
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
