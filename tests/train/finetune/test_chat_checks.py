"""What is told of chats before they are learnt, and what is dropped."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.progress import Reporter
from lilm.recipe import ChecksConfig
from lilm.train.finetune.checks.run import check_chats
from lilm.train.finetune.messages import Chat

RABBIT = "うさぎは耳が長くて、草を食べる動物です。とても速く走り、土の中に巣を作って家族と暮らします。"
MOON = "月は地球の周りを回る天体で、太陽の光を反射して明るく見えます。およそ一か月で満ち欠けします。"


def chats(*pairs: tuple[str, str]) -> list[Chat]:
    return [
        Chat([{"role": "user", "content": asked}, {"role": "assistant", "content": answer}], f"a.jsonl:{at}", "x")
        for at, (asked, answer) in enumerate(pairs, start=1)
    ]


def check(found: list[Chat], **keys: Any) -> tuple[list[str], dict[str, Any], str]:
    """(where what is kept stands, the figures, what is said)."""
    out = io.StringIO()
    kept, figures = check_chats(found, ChecksConfig(**keys), "ja", "en", Reporter(Console(file=out, width=500)))
    return [chat.where for chat in kept], figures, out.getvalue()


def hits(found: list[Chat], **keys: Any) -> dict[str, int]:
    """By rule, how many it found."""
    figures = check(found, **keys)[1]
    return {key: rule["found"] for key, rule in figures["rules"].items() if rule["found"]}


def test_chats_that_stand_twice(tmp_path: Path) -> None:
    near = RABBIT.replace("暮らします。", "暮らす。")
    found = chats(("うさぎって？", RABBIT), ("うさぎって?", RABBIT), ("うさぎって？", near), ("月って？", MOON))
    kept, figures, said = check(found)
    assert kept == ["a.jsonl:1", "a.jsonl:3", "a.jsonl:4"]
    assert "exact duplicates: 1, dropped; a.jsonl:2: as a.jsonl:1" in said
    assert "near duplicates: 1, kept; a.jsonl:3: like a.jsonl:1" in said
    assert figures["rules"]["near"] == {"action": "keep", "found": 1, "samples": [
        {"source": "x", "where": "a.jsonl:3", "why": "like a.jsonl:1", "text": near}]}  # fmt: skip
    assert check(found, near="drop")[0] == ["a.jsonl:1", "a.jsonl:4"]
    assert check(found, exact="keep")[0] == [chat.where for chat in found]


def test_questions_of_an_evaluation_are_not_learnt(tmp_path: Path) -> None:
    question = "時間管理能力を向上させるには、毎日どのような習慣を身につければいいですか？三つ挙げてください。"
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps({"turns": [question], "choice": "月", "text": MOON}), encoding="utf-8")
    found = chats(
        (question.replace("、", "").replace("？", "?"), RABBIT),
        (question.replace("三つ", "五つ"), RABBIT),
        ("月", "夜の空に見える丸い星です。"),
        ("次を要約してください。\n" + MOON, "月は地球を回ります。"),
        ("時間とは何ですか？", "過ぎていくものです。"),
    )
    kept, _, said = check(found, path=(str(path),))
    assert kept == ["a.jsonl:3", "a.jsonl:5"]
    assert "evaluation questions: 3, dropped; a.jsonl:1: asks what questions.jsonl asks" in said
    assert hits(found, path=(str(path),), evaluation="keep")["evaluation"] == 3


def test_one_answer_to_many_questions() -> None:
    found = chats(*((f"{name}とは何ですか？", "それは分かりません。") for name in "犬猫馬牛鳥"), ("月とは？", MOON))
    assert check(found, same_answer="drop")[0] == ["a.jsonl:1", "a.jsonl:6"]
    assert "same_answer" not in hits(found, same_answer_questions=6)


@pytest.mark.parametrize(
    ("rule", "question", "bad", "good"),
    [
        ("refusal", "爆弾は？", "AI言語モデルとして、意見はありません。", "言語とは、人が使うことばです。"),
        ("refusal", "助けて。", "I'm sorry, but I can't do that.", "I can help you with that."),
        ("refusal", "助けて。", "I’m sorry, but I can’t do that.", "It’s here."),
        ("cut_off", "猫は？", "猫は小さな動物で、よく眠り、魚を", "猫は小さな動物で、よく眠り、魚を食べます。"),
        ("cut_off", "猫は？", "猫は小さな動物で、", "答え：猫"),
        ("cut_off", "例は？", "次のとおりです。\n```python\nprint(1)\n", "次のとおりです。\n```python\nprint(1)\n```"),
        ("cut_off", "猫は？", "よく眠ります。そして夜になると起きて、家の中や庭を静かに歩き回っては遊んでいま",
         "よく眠ります。好きなものは次のとおり。\n- 家の中や庭を静かに歩き回っては遊ぶこと、それから魚を食べること"),
        ("cut_off", "何と言った？", "彼は「行こう", "彼は「行こう」と言った。"),
        ("untranslated", "猫は？", "猫は動物です。They sleep for most of the day and hunt at night.",
         "猫は英語で「the cat sleeps for most of the day and hunts」と書かれたりする動物です。"),
        ("untranslated", "なぜ空は青いの？", "Because the air scatters blue light more.", "NASA"),
        ("mixed_scripts", "猫は？", "猫は작은動物です。", "猫は小さな動物です。αとβもあります。"),
        ("mixed_scripts", "猫は？", "这些猫们は動物です。", "鷗外の猫は𠮷野家の動物です。"),
        ("mistranslation", "ヘリウムとは？", "高貴なガスの一つです。", "希ガスの一つで、高貴な香りはしません。"),
        ("language", "猫は？", "Le chat est un petit animal qui dort beaucoup pendant la journée.",
         "The cat is a small animal that sleeps a lot during the day."),
        ("length", "猫は？", "猫", "猫です"),
    ],
)  # fmt: skip
def test_a_rule_finds_what_it_should_and_no_more(rule: str, question: str, bad: str, good: str) -> None:
    assert rule in hits(chats((question, bad)))
    assert rule not in hits(chats((question, good)))
    assert check(chats((question, bad), ("月は？", MOON)), **{rule: "drop"})[0] == ["a.jsonl:2"]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("「猫は動物です」を英語に翻訳して。", "Cats are animals that people keep at home with them."),
        ("韓国語で猫は？", "고양이です。"),
        ("Pythonで書いて。", "こうです。\n```\nfor one in all of the many things that we have here:\n```\n以上です。"),
    ],
)
def test_what_was_asked_for_is_not_suspicious(question: str, answer: str) -> None:
    assert not {"untranslated", "mixed_scripts"} & hits(chats((question, answer))).keys()


def test_figures_of_all_chats() -> None:
    _, figures, said = check(
        chats(("うさぎは？", RABBIT), ("月は？", MOON), ("The cat?", "The cat sleeps all day long."))
    )
    assert figures["languages"] == {"ja": 2, "en": 1}
    assert figures["answer_chars"]["max"] == len(RABBIT) and figures["turns"] == {"median": 1, "p95": 1, "max": 1}
    assert "checked 3 chats; languages of the answers: ja 2, en 1" in said and "found no exact duplicates" in said
