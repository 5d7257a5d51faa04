"""What the corpus stage says of a small folder of one's own text, and what it holds out of it."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from lilm.documents import read_documents
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import CorpusConfig
from tests.train.corpus.made import LOOSE, config, english_houses, japanese_houses, made


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def spoken(screen: io.StringIO) -> Context:
    return Context(0, 2, "ja", "en", Reporter(Console(file=screen, width=200)))


def folder(tmp_path: Path, japanese: list[str], format: str = "auto", **keys: object) -> CorpusConfig:
    for lang, texts in (("ja", japanese), ("en", english_houses(20))):
        (tmp_path / lang).mkdir()
        for number, text in enumerate(texts):
            (tmp_path / lang / f"{number:02d}.txt").write_text(text, encoding="utf-8")
    path = f"{tmp_path}/{{}}/*.txt" if format == "text" else f"{tmp_path}/{{}}"
    sources = [
        {"name": name, "lang": lang, "format": format, "path": path.format(lang)}
        for name, lang in (("mine", "ja"), ("english", "en"))
    ]
    return config(*sources, rules=LOOSE, **keys)


def test_one_line_for_each_source(tmp_path: Path, screen: io.StringIO, spoken: Context) -> None:
    long = "".join(japanese_houses(40)[20:])
    texts = [*japanese_houses(19), "短い。", long]
    made(folder(tmp_path, texts, max_chars=1000, dedup={"near": 1}), tmp_path / "out", spoken)
    lines = [line.strip() for line in screen.getvalue().splitlines()]
    [mine] = [line for line in lines if line.startswith("mine:")]
    found = re.fullmatch(r"mine: 21 files, (\d+) parts, 1 dropped", mine)
    assert found is not None and int(found[1]) > 21
    assert "english: 20 files, 20 parts, 0 dropped" in lines and "dropped by min_chars 1" in lines


def test_markup_that_was_learnt_as_text_is_told(tmp_path: Path, screen: io.StringIO, spoken: Context) -> None:
    texts = [house.replace("番目の家", "番目《ばんめ》の家《いえ》") for house in japanese_houses(20)]
    made(folder(tmp_path, texts, format="text"), tmp_path / "out", spoken)
    assert (
        'mine: 20 files look like Aozora Bunko, whose marks were learnt as text: format = "aozora"' in screen.getvalue()
    )


@pytest.mark.parametrize("format", ["auto", "text"])
def test_marks_without_a_reader_are_told(tmp_path: Path, screen: io.StringIO, spoken: Context, format: str) -> None:
    texts = [*japanese_houses(18), "\\section{猫}\n\\emph{犬}\\cite{鳥}\n" + "".join(japanese_houses(20)[18:])]
    made(folder(tmp_path, texts, format=format), tmp_path / "out", spoken)
    assert "mine: 1 file has marks, which are learnt as text: 18.txt (LaTeX)" in screen.getvalue()
    assert "english: " in screen.getvalue() and "english: 2" not in screen.getvalue().replace("english: 20 files", "")


def test_a_source_of_which_little_is_left_is_told(tmp_path: Path, screen: io.StringIO, spoken: Context) -> None:
    texts = [*japanese_houses(8), *(f"短い{number}。" for number in range(12))]
    recipe = folder(tmp_path, texts)
    made(recipe, tmp_path / "out", spoken)
    assert "warning: only 8 of 20 parts of mine are left to learn from: corpus/report.html" in screen.getvalue()
    assert "warning: only 20" not in screen.getvalue()
    screen.truncate(0)
    web = [source.model_copy(update={"web": True}) for source in recipe.sources]
    rules = recipe.rules.model_copy(update={"min_web_chars": 100})
    made(recipe.model_copy(update={"sources": tuple(web), "rules": rules}), tmp_path / "web", spoken)
    assert "warning" not in screen.getvalue(), "a crawl is expected to lose most"


def test_all_broken_files_are_named_and_the_key_that_goes_on(
    tmp_path: Path, screen: io.StringIO, spoken: Context
) -> None:
    recipe = folder(tmp_path, japanese_houses(20))
    for name in ("03", "17"):
        (tmp_path / "ja" / f"{name}.txt").write_bytes("猫".encode() + b"\xff\xfe\xff" + "猫がいる。".encode() * 9)
    with pytest.raises(LilmError) as caught:
        made(recipe, tmp_path / "out", spoken)
    line = caught.value.line()
    assert "of 20 records of source mine 2 are broken: 03.txt@3 (" in line and "17.txt@3 (" in line
    allowed = re.search(r"corpus\.max_bad = ([0-9.]+) \(it is 0\.01\)", line)
    assert allowed is not None
    made(recipe.model_copy(update={"max_bad": float(allowed[1])}), tmp_path / "again", spoken)
    assert "mine: left out as broken, 2: 03.txt@3 (" in screen.getvalue()


def test_a_work_that_was_cut_is_held_out_whole(tmp_path: Path, spoken: Context) -> None:
    works = ["".join(japanese_houses(10 * (number + 1))[10 * number :]) for number in range(10)]
    out = made(folder(tmp_path, works, max_chars=400, heldout=0.1, dedup={"near": 1}), tmp_path / "out", spoken)
    held, kept = (
        {name.rsplit(".", 1)[0] for name in read_documents(out, "ja", split)["id"]} for split in ("heldout", "train")
    )
    assert held and not held & kept
    assert 0.05 < read_documents(out, "ja", "heldout").height / read_documents(out, "ja", "train").height < 0.4
