"""What normalising may change, and what it must leave alone."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lilm.train.corpus.normalise import normalise, normalise_all

ODD = (
    "日本ー。、，．,.!?1１aＡ（）「」『』…‥～〜①²½㈱ﾃﾞｱ゛\u3099\u309a\u200b\u200d\ufeff\ue000\u00ad“’ \u3000\t\r\n\u2028"
)
texts = st.text(alphabet=st.one_of(st.sampled_from(ODD), st.characters()), max_size=60)
styles = st.sampled_from(["、。", "，．", ",.", "keep"])


@given(texts, styles, st.sampled_from(["ja", "en"]))
@example("3。5", "，．", "ja")
@example("カ\u200b\u3099", "、。", "ja")
def test_is_idempotent(text: str, style: str, lang: str) -> None:
    once = normalise(text, lang, style)
    assert normalise(once, lang, style) == once


@given(st.lists(texts), styles, st.sampled_from(["ja", "en"]))
def test_many_texts_are_normalised_as_each_alone(many: list[str], style: str, lang: str) -> None:
    assert normalise_all(many, lang, style) == [normalise(text, lang, style) for text in many]


@given(texts, st.sampled_from(["ja", "en"]))
def test_what_is_left_is_composed_and_has_no_loose_ends(text: str, lang: str) -> None:
    made = normalise(text, lang, "keep")
    assert unicodedata.is_normalized("NFC", made)
    assert made == made.strip() and " \n" not in made and "\n\n\n" not in made
    assert not any(unicodedata.category(character) in ("Cc", "Co", "Cs") for character in made.replace("\n", ""))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("「１」と言った。", "「1」と言った。"),  # the ancestor made a quotation mark of it
        ("本当？！（はい）…～10時。", "本当？！（はい）…～10時。"),
        ("ﾃﾞｰﾀﾍﾞｰｽ、ＬＬＭ", "データベース、LLM"),
        ("㈱山田の①番、10²と½", "(株)山田の①番、10²と½"),
        ("か\u3099 e\u0301 👨\u200d👩", "が é 👨\u200d👩"),
        ("隠\u200bれ\ufeffた\ue000字\x07", "隠れた字"),
        ("　字下げ\r\n　二行目　\r\n\r\n\r\n\r\n三行目", "字下げ\n二行目\n\n三行目"),
        ("波〜と波～", "波～と波～"),
        ("ハ\u0300 नि", "ハ\u0300 नि"),  # combining marks are letters' parts
    ],
)
def test_japanese_characters(raw: str, expected: str) -> None:
    assert normalise(raw, "ja", "、。") == expected


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("、。", "今日は、雨。1,000円、3.14。例はa,bとx.pyだ。2、3日"),
        ("，．", "今日は，雨．1,000円，3.14．例はa,bとx.pyだ．2、3日"),
        (",.", "今日は,雨.1,000円,3.14.例はa,bとx.pyだ.2、3日"),
        ("keep", "今日は,雨．1,000円、3.14。例はa,bとx.pyだ。2、3日"),
    ],
)
def test_punctuation_styles(style: str, expected: str) -> None:
    assert normalise("今日は,雨．1,000円、3.14。例はa,bとx.pyだ。2、3日", "ja", style) == expected


def test_wide_marks_inside_numbers_are_not_punctuation() -> None:
    assert normalise("１，０００円と３．１４。", "ja", "、。") == "1,000円と3.14。"


def test_english_is_touched_lightly() -> None:
    raw = "“It’s—well…” he\u00a0said.  \r\n    if x:\r\n\r\n\r\n\r\nend①"
    assert normalise(raw, "en", "、。") == '"It\'s—well…" he said.\n    if x:\n\nend①'
