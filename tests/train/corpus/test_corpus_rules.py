"""One line per rule: a text and who refuses it."""

import random
import string
from typing import Any

import pytest

from lilm.recipe import RulesConfig
from lilm.train.corpus.pieces import pieces
from lilm.train.corpus.rules import RULES, Verdict, mask_pii, refusals, verdicts

DEFAULT = RulesConfig()
PROSE = (
    "朝になると、村の子どもたちは川のそばへ集まって、昨日の続きを始めました。はい。\n"
    "だれかが大きな石を運び、だれかが木の枝を拾い、少しずつ小さな橋ができていきます。\nうん。\n"
    "夕方には、その上を一匹の犬がゆっくりと渡って、みんなが手をたたいて笑いました。\n"
)
ENGLISH = (
    "She walked down to the river every morning, and nobody in the village ever asked her why she did so.\n"
    "The old men had their own ideas; they said that the water would be there with or without her.\n"
    "One day she did not come, and it was the baker who went to look for her in the small house by the mill.\n"
)


HIRAGANA = "".join(map(chr, range(0x3042, 0x3090)))
KANJI = "日月火水木金土山川田人大小上下左右中東西南北春夏秋冬朝昼夜空海石竹糸花草虫犬猫鳥魚馬牛雨雪風雲星音声色"


def noise(size: int, seed: int = 0) -> str:
    """Text with the right share of hiragana and nothing that repeats."""
    rng = random.Random(seed)
    return "".join(rng.choice(HIRAGANA if rng.random() < 0.7 else KANJI) for _ in range(size))


def repeating(length: int, share: float) -> str:
    """Noise in which so many characters, this share of it, stood before."""
    phrase = noise(length, 1)
    return phrase + noise(round(length / share) - 2 * length) + phrase


def page(sentences: int, size: int, end: str = "。\n", first: int = 0) -> str:
    """A page of so many different sentences of `size` characters."""
    return "".join(noise(size - 1, first + number) + end for number in range(sentences))


def words(count: int, seed: int = 0) -> str:
    """English words by chance."""
    rng = random.Random(seed)
    return " ".join("".join(rng.choices("abcdefghijklmnoprstuvwy", k=rng.randint(2, 8))) for _ in range(count))


def first_refusal(text: str, lang: str = "ja", web: bool = False, rules: RulesConfig = DEFAULT) -> Any:
    refusal = refusals([text], lang, rules, web)[0]
    return refusal and refusal[:2]


ADULT = "無修正動画とアダルトサイトの巨乳、セックスの相談。"
JAPANESE: list[tuple[str | None, str]] = [
    (None, PROSE),  # short lines, and lines that end in 。, are no reason: the ancestor thought so
    ("min_chars", "短い文。"),
    (
        "hiragana",
        "東京都千代田区丸之内一丁目九番地東日本旅客鉄道株式会社東京駅構内観光案内所前集合、本日午前十時出発、明日夕刻到着予定。ご注意。",
    ),
    (
        "katakana",
        "スーパーセールのオススメはスマートフォンとノートパソコンだよ。ポイントアップキャンペーンでカートにイン！いますぐチェックしてね。みんなでシェア",
    ),
    (
        "chinese",
        "人工智能是计算机科学的一个分支，它企图了解智能的实质，并生产出一种新的智能机器。这个领域的研究包括机器人、语言识别。",
    ),
    ("chinese", "我们说这是一个很好的问题。这里的学生们都说汉语。" + PROSE[:60]),  # with kana
    ("duplicate_lines", PROSE + "あのね。\n" * 6),
    ("duplicate_line_chars", "\n".join([PROSE, *[noise(90)] * 2])),
    ("adult", PROSE + ADULT),
    ("ng_words", PROSE + "ぶっ殺すぞ、さっさと死ね、氏ね、爆破予告だ。"),
    ("spam", PROSE + "激安、送料無料、期間限定、ポイント還元、カードローン、出会い系サイト。" * 3),
    ("top_2gram", noise(60) + "".join("はこちらから" + "お" + noise(8, seed) for seed in range(9))),
    ("top_3gram", noise(80) + "".join("いますぐ予約はこちら" + noise(24, seed) for seed in range(9))),
    ("top_4gram", noise(80) + "".join("いますぐ予約はこちらから" + "へ" + noise(42, seed) for seed in range(9))),
    ("duplicate_5gram", repeating(16, 0.2)),
    ("duplicate_6gram", repeating(20, 0.145)),
    ("duplicate_7gram", repeating(23, 0.135)),
    ("duplicate_8gram", repeating(26, 0.125)),
    ("duplicate_9gram", repeating(30, 0.115)),
    ("duplicate_10gram", repeating(33, 0.105)),
    ("compression", "".join(random.Random(0).choices([noise(6, seed) for seed in range(20)], k=300))),
]
JAPANESE_WEB: list[tuple[str | None, str]] = [
    (None, page(12, 45)),
    ("min_web_chars", page(3, 45)),
    ("short_sentences", page(60, 12)),
    ("long_sentences", page(10, 120)),
    ("longest_sentence", page(10, 45) + noise(260, 99)),
    ("ellipsis_lines", page(10, 45) + page(5, 45, "…\n", 50)),
]
ENGLISH_TEXTS: list[tuple[str | None, str]] = [
    (None, ENGLISH),
    ("short_words", "a b c d of it is as we do to me " * 2 + ENGLISH[:40].replace("walked", "w").replace("river", "r")),
    ("long_words", "incomprehensibilities notwithstanding internationalization " + words(3)),
    ("symbols", ENGLISH + "# tag # tag # tag # tag # tag # tag # tag # tag"),
    ("alphabetic_words", ENGLISH + " ".join(str(number * 7919) for number in range(200, 230))),
    ("stop_words", words(80)),
    ("bullet_lines", "\n".join(f"- {line}" for line in ENGLISH.strip().split("\n"))),
    ("english_ellipsis_lines", ENGLISH.replace("so.\n", "so...\n").replace("her.\n", "her…\n")),
    ("adult", ENGLISH + "Free porn, hardcore sex, milf and hentai."),
    ("ng_words", ENGLISH + "Kill yourself, go die, subhuman scum, white power."),
]
ENGLISH_WEB: list[tuple[str | None, str]] = [
    (None, ENGLISH * 1 + "".join(f"The {words(9, seed)} and {words(9, 99 + seed)} of it.\n" for seed in range(6))),
    ("min_words", ("Incomprehensible " * 3 + "of the and ") * 8),
    ("closed_lines", "\n".join(f"The {words(9, seed)} and {words(9, 99 + seed)} of it" for seed in range(9))),
    ("short_lines", "\n".join(f"The {words(3, seed)} of it." for seed in range(30))),
]


@pytest.mark.parametrize(("rule", "text"), JAPANESE)
def test_each_japanese_rule(rule: str | None, text: str) -> None:
    refusal = first_refusal(text)
    assert (refusal and refusal[0]) == rule, refusal


@pytest.mark.parametrize(("rule", "text"), JAPANESE_WEB)
def test_each_rule_for_japanese_pages(rule: str | None, text: str) -> None:
    refusal = first_refusal(text, web=True)
    assert (refusal and refusal[0]) == rule, refusal
    assert first_refusal(text) is None  # literature may be so


@pytest.mark.parametrize(("rule", "text"), ENGLISH_TEXTS)
def test_each_english_rule(rule: str | None, text: str) -> None:
    refusal = first_refusal(text, "en")
    assert (refusal and refusal[0]) == rule, refusal


@pytest.mark.parametrize(("rule", "text"), ENGLISH_WEB)
def test_each_rule_for_english_pages(rule: str | None, text: str) -> None:
    refusal = first_refusal(text, "en", web=True)
    assert (refusal and refusal[0]) == rule, refusal


def test_noise_is_refused_in_every_language() -> None:
    refusal = first_refusal("".join(random.Random(0).choices(string.ascii_letters + string.digits, k=1200)), "de")
    assert refusal[0] == "noise"


def test_old_kanji_are_refused_only_on_request() -> None:
    text = PROSE + "舊字體ヲ讀ム學生ハ國語ノ辭典ヲ買ツテ歸ル。"
    assert first_refusal(text) is None
    assert first_refusal(text, rules=RulesConfig(max_old_kanji=0.03))[0] == "old_kanji"


def test_every_rule_has_a_line_here() -> None:
    lines = [*JAPANESE, *JAPANESE_WEB, *ENGLISH_TEXTS, *ENGLISH_WEB, ("old_kanji", ""), ("noise", "")]
    assert {rule for rule, _ in lines if rule} == {rule.name for rule in RULES}


def test_reasons_give_figure_and_limit() -> None:
    assert first_refusal("短い文。") == ("min_chars", "4 characters < 50")
    assert first_refusal(PROSE + ADULT) == ("adult", "4 adult words > 3: 無修正動画, アダルトサイト, 巨乳, セックス")


def test_verdicts_are_of_every_rule_that_holds() -> None:
    said = {verdict.name: verdict for verdict in verdicts(PROSE, "ja", DEFAULT, web=True)}
    assert said["min_web_chars"] == Verdict("min_web_chars", False, f"{len(PROSE)} characters < 400")
    assert said["min_chars"] == Verdict("min_chars", True, f"{len(PROSE)} characters >= 50")
    assert said["top_2gram"].keep and "stop_words" not in said
    assert "min_web_chars" not in {verdict.name for verdict in verdicts(PROSE, "ja", DEFAULT, web=False)}


def test_japanese_rules_leave_english_alone_and_unknown_languages_have_the_general_ones() -> None:
    assert first_refusal(ENGLISH, "en") is None
    assert first_refusal("Wer reitet so spät durch Nacht und Wind? Es ist der Vater mit seinem Kind.", "de") is None
    assert first_refusal("Kurz.", "de") == ("min_chars", "5 characters < 50")


def test_a_batch_says_what_single_texts_do() -> None:
    texts = [text for _, text in JAPANESE]
    together = refusals(texts, "ja", DEFAULT, False)
    assert [refusal and refusal[:2] for refusal in together] == [first_refusal(text) for text in texts]
    assert refusals([], "ja", DEFAULT, True) == []


def test_a_name_twice_is_no_repetition() -> None:
    name = "アーサー・コナン・ドイル"
    text = f"{name}はイギリスの作家です。そして{name}は、若いころには医者でもありましたが、患者は少なかった。"
    assert first_refusal(text) is None


def test_parts_of_a_text_may_be_divided_by_the_same_sign() -> None:
    assert first_refusal("\n×\n".join(page(1, 45, first=seed) for seed in range(9))) is None


@pytest.mark.parametrize("text", ["エセックスの町", "スペルマーケット", "フェラーリ", "a Sussex sexton in Essex"])
def test_words_are_not_found_inside_others(text: str) -> None:
    lang = "en" if text.isascii() else "ja"
    said = {verdict.name: verdict.reason for verdict in verdicts(text, lang, DEFAULT, web=False)}
    assert said["adult"] == "0 adult words <= 3"


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        ("連絡はtaro.yamada@example.co.jpへ。", "連絡は<EMAIL>へ。"),
        ("電話03-1234-5678、携帯090-1234-5678、または0120-123-456。", "電話<PHONE>、携帯<PHONE>、または<PHONE>。"),
        ("海外から+81 3-1234-5678、09012345678", "海外から<PHONE>、<PHONE>"),
        ("〒100-0001 東京都千代田区", "<POSTAL> 東京都千代田区"),
        ("カードは4111 1111 1111 1111です。", "カードは<CARD>です。"),
        ("注文番号は4111 1111 1111 1112です。", "注文番号は4111 1111 1111 1112です。"),  # fails Luhn's check
        ("2024-10-12に100-0001個、ISBN 978-4-00-310101-8。", "2024-10-12に100-0001個、ISBN 978-4-00-310101-8。"),
        ("得点は0-1、0-2、円周率3.14159265358979", "得点は0-1、0-2、円周率3.14159265358979"),
    ],
)
def test_personal_information_is_masked(raw: str, masked: str) -> None:
    text, found = mask_pii(raw)
    assert text == masked
    assert sum(found.values()) == masked.count("<")


@pytest.mark.parametrize("limit", [100, 137, 1000])
def test_pieces_lose_nothing_and_keep_the_limit(limit: int) -> None:
    text = "\n".join([PROSE * 3, noise(500), "文。" * 400])
    made = pieces(text, limit)
    assert max(map(len, made)) <= limit
    assert "".join("".join(made).split()) == "".join(text.split())
    assert min(map(len, made[:-1])) > limit / 10


def test_pieces_of_one_letter_with_endless_marks_are_made_at_once() -> None:
    """Three quarters of an hour, once: each slice was one mark, found from the end of the longest that may be."""
    text = "a" + "\u0301" * 400_000
    made = pieces(text, 20_000)
    assert "".join(made) == text and max(map(len, made)) <= 20_000
    assert pieces("あ" * 19 + "か\u3099" + "い" * 19, 20) == ["あ" * 19, "か\u3099" + "い" * 18, "い"]


def test_pieces_end_where_lines_or_sentences_end() -> None:
    lines = [f"{number}行目には少し文章があります。" for number in range(40)]
    assert all(piece.endswith("。") for piece in pieces("\n".join(lines), 100))
    assert all(piece.endswith("。") for piece in pieces("".join(lines), 100))
