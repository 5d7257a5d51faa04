"""One line per rule: a text and who refuses it."""

import random

import pytest

from lilm.recipe import CorpusConfig
from lilm.train.corpus.ngrams import code_points
from lilm.train.corpus.pieces import pieces
from lilm.train.corpus.rules import refused_by, top_ngram_share

CONFIG = CorpusConfig.model_validate({"sources": [{"name": "s", "lang": "ja", "format": "text", "path": "x"}]})
PROSE = (
    "朝になると、村の子どもたちは川のそばへ集まって、昨日の続きを始めました。はい。\n"
    "だれかが大きな石を運び、だれかが木の枝を拾い、少しずつ小さな橋ができていきます。\nうん。\n"
    "夕方には、その上を一匹の犬がゆっくりと渡って、みんなが手をたたいて笑いました。\n"
)


def noise(size: int, seed: int = 0) -> str:
    """Text with the right share of hiragana and nothing that repeats."""
    rng = random.Random(seed)
    return "".join(
        chr(rng.randrange(*((0x3042, 0x3090) if rng.random() < 0.5 else (0x4E00, 0x9000)))) for _ in range(size)
    )


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (None, PROSE),  # short lines, and lines that end in 。, are no reason: the ancestor thought so
        ("min_chars", "短い文。"),
        (
            "hiragana",
            "東京都千代田区丸之内一丁目九番地東日本旅客鉄道株式会社東京駅構内観光案内所前集合、本日午前十時出発、明日夕刻到着予定。",
        ),
        (
            "katakana",
            "スーパーセールのオススメはスマートフォンとノートパソコンだよ。ポイントアップキャンペーンでカートにイン！いますぐチェックしてね。みんなでシェア",
        ),
        ("duplicate_lines", "\n".join([PROSE, *[noise(40)] * 6])),
        (
            "repetition",
            noise(60) + "いますぐ予約はこちら" + noise(30, 1) + ("いますぐ予約はこちら" + noise(20, 2)) * 3,
        ),
        ("compression", "".join(random.Random(0).choices([noise(6, seed) for seed in range(20)], k=300))),
    ],
)
def test_each_rule(rule: str | None, text: str) -> None:
    refusal = refused_by(text, "ja", CONFIG)
    assert (refusal and refusal[0]) == rule, refusal


def test_reasons_give_figure_and_limit() -> None:
    assert refused_by("短い文。", "ja", CONFIG) == ("min_chars", "4 characters < 50")


def test_japanese_rules_leave_english_alone() -> None:
    text = "She walked down to the river every morning, and nobody in the village ever asked her why she did so."
    assert refused_by(text, "en", CONFIG) is None


def test_a_name_twice_is_no_repetition() -> None:
    name = "アーサー・コナン・ドイル"
    assert top_ngram_share(code_points(f"{name}は作家です。{name}は医者でもありました。"), 0.0) == 0


@pytest.mark.parametrize("limit", [100, 137, 1000])
def test_pieces_lose_nothing_and_keep_the_limit(limit: int) -> None:
    text = "\n".join([PROSE * 3, noise(500), "文。" * 400])
    made = pieces(text, limit)
    assert max(map(len, made)) <= limit
    assert "".join("".join(made).split()) == "".join(text.split())
    assert min(map(len, made[:-1])) > limit / 10


def test_pieces_end_where_lines_or_sentences_end() -> None:
    lines = [f"{number}行目には少し文章があります。" for number in range(40)]
    assert all(piece.endswith("。") for piece in pieces("\n".join(lines), 100))
    assert all(piece.endswith("。") for piece in pieces("".join(lines), 100))
