"""New pieces for languages in English's own letters: they shorten text, and English stays within its bound."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.recipe import TokenizerConfig
from lilm.train.stories import stories
from lilm.train.tokenizer import stage
from lilm.train.tokenizer.beside import Text, Wish, learn_beside
from lilm.train.tokenizer.english import Changed
from lilm.train.tokenizer.scripts import is_in_latin
from lilm.train.tokenizer.train import train_base_tokenizer
from tests.train.made_languages import indonesian, korean, swahili, vietnamese
from tests.train.tokenizer.byte_bases import write_base

TEXTS = {"vi": vietnamese, "id": indonesian, "sw": swahili, "ko": korean}


def write_corpus(corpus: Path, lang: str, texts: list[str], heldout: int) -> None:
    for split, some in (("train", texts[heldout:]), ("heldout", texts[:heldout])):
        frame = pl.DataFrame({"id": [str(at) for at in range(len(some))], "source": "made", "text": some})
        write_documents(corpus, lang, split, frame)  # type: ignore[arg-type]


def write_report(corpus: Path, sizes: dict[str, tuple[int, int]]) -> None:
    found = {
        lang: {"score": None, "train": {"documents": documents, "characters": characters}}
        for lang, (documents, characters) in sizes.items()
    }
    (corpus / "report.json").write_text(json.dumps({"languages": found}), encoding="utf-8")


def make_inputs(root: Path, kind: str, lang: str, english: list[str] | None = None) -> dict[str, Path]:
    """A corpus of `lang` and English, and a base that knows English alone."""
    english = list(stories("en", 400, 0)) if english is None else english
    texts, corpus, base = TEXTS[lang](), root / "corpus", root / "base"
    texts = [*texts[::7], *(text for at, text in enumerate(texts) if at % 7)]
    for code, group in ((lang, texts), ("en", english)):
        write_corpus(corpus, code, group, 30)
    sizes = {code: (len(group) - 30, sum(map(len, group[30:]))) for code, group in ((lang, texts), ("en", english))}
    write_report(corpus, sizes)
    if kind == "sentencepiece":
        base.mkdir()
        train_base_tokenizer(english[100:], 1000, base / "tokenizer.model")
        (base / "config.json").write_text('{"max_position_embeddings": 256}', encoding="utf-8")
    else:
        write_base(base, kind, english[100:], 1000)
    return {"corpus": corpus, "base": base}


@pytest.mark.parametrize(
    ("kind", "lang"),
    [("sentencepiece", "vi"), ("smollm", "vi"), ("llama-bpe", "id"), ("sentencepiece", "id"), ("smollm", "sw")],
)
def test_text_gets_shorter_and_english_stays(kind: str, lang: str, tmp_path: Path, context: Context) -> None:
    inputs = make_inputs(tmp_path, kind, lang)
    (tmp_path / "out").mkdir()
    made = stage.run(
        TokenizerConfig(pieces=150), inputs, tmp_path / "out", replace(context, language=lang)
    ).measurements
    assert all(check["mismatches"] == 0 for check in made["checks"].values())
    assert "en ids = base ids" not in made["checks"], "that is what may differ here"
    assert made[lang]["merged_chars_per_token"] > 1.6 * made[lang]["base_chars_per_token"]
    english = made["english"]
    assert english["tokens_before"] == made["en"]["base_tokens"] > 2000
    assert english["tokens_after"] == made["en"]["merged_tokens"]
    assert english["share_changed"] <= 0.002 and 100 < made["pieces_added"] <= 150
    assert json.loads((tmp_path / "out" / "report.json").read_text())["english"] == english


def test_letters_of_its_own_change_no_english(tmp_path: Path, context: Context) -> None:
    inputs = make_inputs(tmp_path, "smollm", "ko")
    (tmp_path / "out").mkdir()
    made = stage.run(
        TokenizerConfig(pieces=150), inputs, tmp_path / "out", replace(context, language="ko")
    ).measurements
    assert "english" not in made and made["checks"]["en ids = base ids"]["mismatches"] == 0
    assert made["en"]["merged_tokens"] == made["en"]["base_tokens"]


def test_held_out_english_beyond_the_bound_stops_the_stage(tmp_path: Path, context: Context) -> None:
    english = list(stories("en", 400, 0))
    told = [text.replace("\n", " ") for text in indonesian()[:6]]  # held-out text as no learnt one is
    inputs = make_inputs(tmp_path, "sentencepiece", "id", [*told, *english])
    (tmp_path / "out").mkdir()
    with pytest.raises(LilmError, match=r"new pieces change [\d,]+ of [\d,]+ held-out English tokens") as error:
        stage.run(TokenizerConfig(pieces=150), inputs, tmp_path / "out", replace(context, language="id"))
    assert error.value.where == "tokenizer.max_english_changed"
    assert not (tmp_path / "out" / "report.json").exists()


def words(**counts: int) -> Text:
    """Words whose cut is written with dots: an.ak"""
    return Text({name: name.split("_") for name in counts}, counts)


def learn(language: Text, english: Text, share: float = 0.01, pieces: int = 10) -> tuple[str, ...]:
    return learn_beside(language, english, words(the=1), frozenset(), Wish(pieces, lambda name: True, share)).names


def test_a_piece_that_stands_in_english_is_left_out() -> None:
    language = words(an_ak=300, an_ak_mu=100, me_reka=200)
    assert learn(language, words(the=100_000)) == ("anak", "mereka", "anakmu")
    assert learn(language, words(the=100_000, an_ak=20)) == ("anak", "mereka", "anakmu")
    other = ("mereka", "akmu", "anakmu")  # another way leads to the longer word, which English has not
    assert learn(language, words(the=100_000, an_ak=60_000)) == other, "a word of English's own"
    assert learn(language, words(the=100_000, an_ak=2_000)) == other, "beyond the bound: 4,000 of 104,000"


def test_the_bound_is_used_up_in_order_of_gain() -> None:
    language = words(a_b=4_000, c_d=3_000, e_f=2_000)
    english = words(the=98_000, a_b=400, c_d=300, e_f=300)
    assert learn(language, english, 0.0135) == ("ab",), "800 tokens are changed, and 600 more would be too many"
    assert learn(language, english, 0.0195) == ("ab", "cd")
    assert learn(language, english, 0.1, pieces=2) == ("ab", "cd")


def test_what_english_holds_of_a_language() -> None:
    assert not is_in_latin(Counter("日本語のテキスト with English words in it"), "ja")
    assert is_in_latin(Counter("Tiếng Việt, có tên Москва"), "vi")
    assert is_in_latin(Counter("A language that no list knows"), "xx")
    assert not is_in_latin(Counter("Ўзбек тили"), "uz")


def test_little_held_out_text_is_no_measure() -> None:
    Changed(30, 4, 1_000, 995, 10).refuse_beyond(0.002)
    with pytest.raises(LilmError, match="change 11 of 1,000"):
        Changed(30, 4, 1_000, 995, 11).refuse_beyond(0.002)
    Changed(30, 4, 100_000, 99_900, 200).refuse_beyond(0.002)
    with pytest.raises(LilmError, match=r"\(0\.0020\), more than 0\.002"):
        Changed(30, 4, 100_000, 99_900, 201).refuse_beyond(0.002)
