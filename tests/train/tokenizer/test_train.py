"""Learning pieces from text: what may be a piece, how much text is enough, the same bytes twice."""

import random
from collections import Counter
from pathlib import Path

import pytest

from lilm.errors import LilmError
from lilm.recipe import TokenizerConfig
from lilm.train.tokenizer.merge import normal_pieces, read_base
from lilm.train.tokenizer.scripts import learnable_counts, scripts_of
from lilm.train.tokenizer.train import covered_characters, train_base_tokenizer, train_sentencepiece
from lilm.vocabulary.sentencepiece import processor, read_proto

WORDS = "the little girl boy dog cat went to park and saw a big red ball then they played all day until night"


def sentences(count: int) -> list[str]:
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS.split(), k=9)).capitalize() + f" {rng.randrange(100)}." for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("いろは", ["Hani", "Hira", "Kana"]),
        ("漢字かな交じり文 with English", ["Hani", "Hira", "Kana"]),
        ("Привет, мир", ["Cyrl"]),
        ("한국어 문장", ["Hang"]),
        ("你好世界", ["Hani"]),
        ("plain English", []),
    ],
)
def test_scripts_of_a_language(text: str, scripts: list[str]) -> None:
    assert scripts_of(Counter(text)) == scripts


def test_learnable_characters() -> None:
    counts = Counter("「東京」でカフェー、α?！Aé—…😀 9９〜々・")
    counts.update("ひらがな" * 200)
    assert set("「東京」カフェー、！９〜々・") <= set(learnable_counts(counts, "ja"))
    assert not set("α?Aé—…😀 9") & set(learnable_counts(counts, "ja"))


def test_coverage_leaves_rare_characters_to_bytes() -> None:
    counts = Counter({"の": 900, "は": 90, "鬱": 9, "龘": 1})
    assert covered_characters(counts, 0.99, frozenset(), 10) == ["の", "は"]
    assert covered_characters(counts, 1.0, frozenset(), 10) == ["の", "は", "鬱", "龘"]
    assert covered_characters(counts, 1.0, frozenset("の"), 1) == ["の", "は"]


def test_too_little_text_gives_what_it_has() -> None:
    learnt = train_sentencepiece(["りんごを食べた。りんごが好き。"], TokenizerConfig(pieces=1000), frozenset())
    assert "りんご" in learnt.pieces and "。" in learnt.pieces
    assert len(learnt.pieces) < 100


def test_text_without_the_language_is_the_users_to_mend() -> None:
    with pytest.raises(LilmError, match="no letters outside the Latin script"):
        train_sentencepiece(sentences(10), TokenizerConfig(pieces=100), frozenset(), "fr")


def test_spaced_languages_keep_their_word_beginnings() -> None:
    text = "привет мир и привет всем кто любит мир " * 50
    learnt = train_sentencepiece([text], TokenizerConfig(pieces=40), frozenset(), "ru")
    assert "▁мир" in learnt.pieces


def test_base_tokenizer_is_llamas_and_the_same_twice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_base_tokenizer(iter(sentences(400)), 400, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    proto = read_base(tmp_path / "one")
    assert [piece.piece for piece in list(proto.pieces)[:4]] == ["<unk>", "<s>", "</s>", "<0x00>"]
    assert len(proto.pieces) == 400 and proto.normalizer_spec.add_dummy_prefix
    assert "▁girl" in normal_pieces(proto)
    text = "The girl  saw 42 犬.\n"
    spm = processor(read_proto(tmp_path / "one"))
    assert spm.decode(spm.encode(text)) == text
    assert spm.encode("42", out_type=str) == ["▁", "4", "2"]


def test_base_tokenizer_says_when_the_text_is_too_little(tmp_path: Path) -> None:
    with pytest.raises(LilmError, match=r"vocab_size.* pieces, not 5000 — give more text, or set it to \d+ or less"):
        train_base_tokenizer(sentences(20), 5000, tmp_path / "tokenizer.model")
    with pytest.raises(LilmError, match=r"base\.scratch\.vocab_size"):
        train_base_tokenizer(sentences(20), 262, tmp_path / "tokenizer.model")
