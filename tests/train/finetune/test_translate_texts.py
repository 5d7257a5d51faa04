"""What is translated of a message, what is kept of it, and what is found wrong with a translation."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilm.train.finetune.translate.chrf import chrf
from lilm.train.finetune.translate.glossary import Glossary
from lilm.train.finetune.translate.masks import Lost, mask
from lilm.train.finetune.translate.numbers import lost_numbers
from lilm.train.finetune.translate.pieces import LONGEST, pieces_of
from lilm.train.finetune.translate.suspect import Judge

PARTS = st.sampled_from(
    ["Some words. ", "\n", "\n\n", "```", "~~~\n", "`", "12", "  ", "https://a.example/b?c=d. ", "日本。"]
)


@given(st.lists(PARTS, max_size=400).map("".join))
@settings(max_examples=200)
def test_pieces_are_the_message_and_masks_the_piece(message: str) -> None:
    pieces = pieces_of(message)
    assert "".join(piece.text for piece in pieces) == message
    for piece in pieces:
        masked = mask(piece.text)
        assert masked.restore(masked.text) == piece.text


def test_real_messages_are_cut_between_sentences_and_never_in_code(shared_data: Path) -> None:
    lines = (shared_data / "chat/oasst_en/en_100_tree.jsonl").read_text(encoding="utf-8").splitlines()
    todo = [json.loads(line)["prompt"] for line in lines]
    seen = cut = 0
    while todo:
        message = todo.pop()
        todo += message["replies"]
        pieces = pieces_of(message["text"])
        assert "".join(piece.text for piece in pieces) == message["text"]
        asked = [piece.text for piece in pieces if piece.translated]
        assert all(text == text.strip() and "```" not in text for text in asked)
        assert all(len(text) <= LONGEST for text in asked)
        seen, cut = seen + 1, cut + (len(asked) > 1)
    assert seen > 500 and cut > 50


def test_a_long_paragraph_is_cut_at_sentences_but_not_in_an_address() -> None:
    text = " ".join(f"Sentence {number} names https://a.example/b?c=d. e.g. `x. y`." for number in range(60))
    asked = [piece.text for piece in pieces_of(text) if piece.translated]
    assert len(asked) > 3 and all(one.endswith((".", "e.g.")) for one in asked)
    assert sum(one.count("https://a.example/b?c=d") for one in asked) == 60
    assert sum(one.count("`x. y`") for one in asked) == 60


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Run ``a`b`` now", ["``a`b``"]),
        ("(see https://a.example/x_(y).)", ["https://a.example/x_(y"]),
        ("write to a.b+c@d.example.org, now", ["a.b+c@d.example.org"]),
        ("<p class='x'>hello</p> 3 < 4 > 2", ["<p class='x'>", "</p>"]),
        (r"\(x^2\) costs $5 and $10", [r"\(x^2\)"]),
        ("one ` alone\n\nand ` another", []),
    ],
)
def test_what_is_kept(text: str, kept: list[str]) -> None:
    assert list(mask(text).kept) == kept


def test_placeholders_are_known_as_translators_write_them_and_each_is_needed_once() -> None:
    masked = mask("Use `a` and `b`, not <x9/>")  # which is no placeholder
    assert masked.text == "Use <y1/> and <y2/>, not <y3/>"
    assert masked.restore("＜y2／＞と< y1 >、<y3/>です") == "`b`と`a`、<x9/>です"
    for broken in ("<y1/>と<y2/>", "<y1/><y1/><y2/><y3/>", "<y1/><y2/><y3/><y4/>", "<x1/><x2/><x3/>"):
        with pytest.raises(Lost):
            masked.restore(broken)
    spaced = mask("keep `a` and < x1 >")  # not a tag: the placeholder has another letter
    assert spaced.text == "keep <y1/> and < x1 >"


@pytest.mark.parametrize(
    ("source", "translation", "language", "lost"),
    [
        ("In 1969 two men", "1969年に二人が", "ja", []),
        ("In 1969", "一九六九年に", "ja", []),
        ("25 people, 300 miles", "二十五人、三百マイル", "ja", []),
        ("10,000 yen", "1万円", "ja", []),
        ("10,000 yen", "1000円", "ja", ["10,000"]),
        ("10 yen", "100円", "ja", ["10"]),
        ("2.5 million people", "250万人", "ja", []),
        ("at 5 pm and 7:30 p.m.", "17時と19時30分に", "ja", []),
        ("1 apple", "ひとつのりんご", "ja", []),
        ("3.14", "３．１４", "ja", []),
        ("1,234.5", "1.234,5", "de", []),
        ("3 cats", "drei Katzen", "de", []),
        ("33 cats", "drei Katzen", "de", ["33"]),
        ("steps 4,5", "手順4と5", "ja", []),
        ("90% of 12", "12の9割", "ja", []),
    ],
)
def test_numbers_are_found_again_however_they_are_written(
    source: str, translation: str, language: str, lost: list[str]
) -> None:
    assert lost_numbers(source, translation, language) == lost


@pytest.mark.parametrize(
    "part", ["a.", "\\(", "<!--", "` `` ", "$$ ", "a@", "1,", "```\n", "~", "一", " ", "9", "5 pm"]
)
def test_texts_that_repeat_themselves_take_no_hours(part: str) -> None:
    text = part * 100_000 + "a"
    pieces = pieces_of(text)
    assert "".join(piece.text for piece in pieces) == text
    masked = mask(text)
    assert masked.restore(masked.text) == text
    assert lost_numbers(text, text, "ja") == []
    judged(text[:50_000], text)


def judged(source: str, translation: str, glossary: dict[str, tuple[str, ...]] | None = None) -> str:
    problem = Judge.of("ja", "en", Glossary(glossary or {})).problem(source, translation)
    return problem.kind if problem else ""


@pytest.mark.parametrize(
    ("source", "translation"),
    [
        ("Google", "Google"),
        ("I'm sorry, but I cannot help you with that.", "申し訳ありませんが、お手伝いできません。"),
        ("How do you say good morning in English?", "英語で「おはよう」は何と言いますか。"),
        ("- one\n- two", "・一つ\n・二つ"),
        (
            "Lorem ipsum dolor sit amet, consectetur adipiscing elit.",
            "Lorem ipsum dolor sit amet, consectetur adipiscing",
        ),
    ],
)
def test_right_translations_are_accepted(source: str, translation: str) -> None:
    assert judged(source, translation) == ""


@pytest.mark.parametrize(
    ("source", "translation", "kind"),
    [
        ("- one\n- two\n- three", "一つ、二つ、三つ", "lost lines"),
        ("The quick brown fox jumps over the dog.", "The quick brown fox jumps over the DOG!", "an echo of the text"),
        ("What is it?", "これは長い説明です。" * 20, "odd length"),
        ("Noble gases are inert.", "高貴なガスは不活性です。", "a known mistranslation"),
        (
            "He said that he would come back soon, and left.",
            "彼はそう言いました。 He said that he would come back very soon。そして去りました。",
            "untranslated English",
        ),
    ],
)
def test_wrong_ones_are_not(source: str, translation: str, kind: str) -> None:
    assert judged(source, translation) == kind


def test_the_longest_term_counts_and_any_right_word_is_accepted() -> None:
    glossary = {"gas": ("気体", "ガス"), "noble gas": ("希ガス",), "c++": ("C++",)}
    assert judged("Noble gases are inert.", "希ガスは不活性です。", glossary) == ""
    assert judged("A gas is light.", "ガスは軽いです。", glossary) == ""
    assert judged("A gas is light.", "煙は軽いです。", glossary) == "not the glossary's word"
    assert judged("Gasoline is liquid.", "石油は液体です。", glossary) == ""
    assert judged("I like c++ a lot", "私はシーが大好きです", glossary) == "not the glossary's word"


@pytest.mark.parametrize(
    ("term", "source"),
    [
        ("Istanbul", "I saw İstanbul."),
        ("İstanbul", "I saw İSTANBUL."),
        ("Straße", "The Straße is long."),
        ("Straße", "THE STRASSE IS LONG."),
        ("strasse", "Some strasses are long."),
    ],
)
def test_a_term_is_found_whose_letters_are_others_in_another_case(term: str, source: str) -> None:
    assert judged(source, "それは長いです。", {term: ("それ",)}) == ""
    assert judged(source, "あれは長いです。", {term: ("それ",)}) == "not the glossary's word"


@pytest.mark.parametrize(
    ("hypothesis", "reference", "score"),  # by sacrebleu 2.6, sentence_chrf
    [("a cat sits", "the cat sat", 0.2555), ("猫がいた。", "猫がいる。", 0.3267), ("abc", "xyz", 0.0), ("", "", 0.0)],
)
def test_chrf_is_sacrebleus(hypothesis: str, reference: str, score: float) -> None:
    assert chrf(hypothesis, reference) == pytest.approx(score, abs=1e-4)
