"""A refused text's sample: where in it what the rule counted stands, the recipe's key, and what other limits keep."""

from collections.abc import Sequence

import pytest

from lilm.recipe import RulesConfig
from lilm.train.corpus.rules import RULES, refusals, spans
from lilm.train.corpus.sample import marked, sample
from lilm.train.corpus.tally import Tally


@pytest.mark.parametrize(
    ("rule", "text", "lang", "places"),
    [
        ("adult", "ここは無修正動画とセックスの相談。", "ja", ["無修正動画", "セックス"]),
        ("adult", "A sextant, and PORN here", "en", ["PORN"]),
        ("katakana", "これはテストですデータ", "ja", ["テスト", "データ"]),
        ("chinese", "我们说話", "ja", ["们说"]),
        ("old_kanji", "新しい學問の國", "ja", ["學", "國"]),
        ("symbols", "#a … b...", "en", ["#", "…", "..."]),
        ("duplicate_lines", "あのね。\nうん。\n あのね。 \n×\n×", "ja", ["あのね。"]),
        ("ellipsis_lines", "つづく…\nおわり。", "ja", ["つづく…"]),
        ("bullet_lines", "- one\ntwo", "en", ["- one"]),
        ("longest_sentence", "短い。これは少し長い文です。短い。", "ja", ["これは少し長い文です。"]),
        ("top_2gram", "あいうえおかき、あいうえおかき。", "ja", ["あいうえおかき", "あいうえおかき"]),
        ("duplicate_5gram", "abcdefghijklmnop1abcdefghijklmnop", "ja", ["abcdefghijklmnop"]),
        ("min_chars", "短い。", "ja", []),
        ("no_main_text", "x", "de", []),
    ],
)
def test_what_was_counted_is_found(rule: str, text: str, lang: str, places: list[str]) -> None:
    assert [text[start:end] for start, end in spans(rule, text, lang)] == places


@pytest.mark.parametrize(
    ("text", "found"), [("a\n\n b c", (3, 6)), ("x" * 500 + "\n\nbad one" + "y" * 500, (502, 509))]
)
def test_a_sample_shows_the_first_place(text: str, found: tuple[int, int]) -> None:
    shown, marks = marked(text, [found])
    assert [shown[start:end].strip() for start, end in marks] == [" ".join(text[slice(*found)].split())]
    assert len(shown) <= 200 and "\n" not in shown
    assert shown.startswith("…") == (found[0] > 200)
    assert marked(text, []) == (sample(text), [])


def test_the_key_of_each_rule_is_one_and_what_is_looser_keeps_more() -> None:
    rules = RulesConfig()
    for rule in RULES:
        assert rule.key in RulesConfig.model_fields
        limits = rule.looser(rules)
        assert limits == tuple(sorted(limits, reverse=rule.at_least)) and len(limits) >= 2, rule.name
        assert all(limit < rule.limit(rules) if rule.at_least else limit > rule.limit(rules) for limit in limits)
    assert {rule.limit(rules) for rule in RULES if rule.name == "duplicate_9gram"} == {0.11}


def kept(texts: Sequence[str], limit: int) -> int:
    return sum(refusal is None for refusal in refusals(texts, "de", RulesConfig(min_chars=limit), web=False))


def test_what_another_limit_would_keep_is_what_it_keeps() -> None:
    texts = [" ".join(f"{number}{letter}" for letter in "abcdefghijklmnopq"[:number]) for number in range(4, 17)]
    tally, other = Tally(), Tally()
    refused = [one for one in refusals(texts, "de", RulesConfig(min_chars=50), web=False) if one]
    for place, (rule, reason, kept_by) in enumerate(refused):
        (tally if place % 2 else other).drop(rule, "id", reason, 1, lambda: ("", []), kept_by)
    drops = Tally.total([tally, other]).drops["min_chars"]
    assert drops["documents"] == len(refused) > 5
    assert drops["kept_by"] == {str(limit): kept(texts, limit) - kept(texts, 50) for limit in (45, 37, 25, 12)}
    assert len(set(drops["kept_by"].values())) > 2
