"""What training gets of several sources, and what it says and reports of the rest."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.chat import CHAT_TEMPLATE
from lilm.chat.turns import Turns, cut_template
from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import FinetuneConfig
from lilm.train.finetune import stage
from lilm.train.finetune.gather import Gathered, gather_chats

QUESTION_FIRST = "{% if messages[0]['role'] == 'assistant' %}{{ raise_exception('ask first') }}{% endif %}"


@pytest.fixture(scope="module")
def turns() -> Turns:
    template = QUESTION_FIRST + CHAT_TEMPLATE
    return cut_template(template, {"bos_token": "", "eos_token": "</s>"}, "template")


def written(path: Path, *entries: Any) -> str:
    path.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries), encoding="utf-8")
    return str(path)


def said(*words: str) -> dict[str, Any]:
    """A ShareGPT entry; words are of "h", a human, or "g", a model, and what it says."""
    turns = [{"from": {"h": "human", "g": "gpt", "s": "system"}[one[0]], "value": one[1:]} for one in words]
    return {"conversations": turns}


def gather(turns: Turns, **keys: Any) -> tuple[Gathered, str]:
    out = io.StringIO()
    context = Context(0, 1, "ja", "en", Reporter(Console(file=out, width=500)))
    return gather_chats(FinetuneConfig.model_validate(keys), turns, context), out.getvalue()


def test_sources_of_several_forms(tmp_path: Path, turns: Turns) -> None:
    entries = [said(f"h{at}は何ですか？", f"gそれは{at}番です。") for at in range(200)]
    shared = written(
        tmp_path / "s.jsonl",
        said("gようこそ。", "h空は？", "g青い。"),
        said("h空は？", "g青い。"),
        said("h空は？", "s短く。", "g青い。"),
        *entries,
    )
    alpaca = written(tmp_path / "a.jsonl", {"instruction": "海は？", "output": "高貴なガスの色です。"})
    sources = [
        {"name": "made", "format": "chats", "limit": 3},
        {"name": "shared", "path": shared},
        {"name": "asked", "path": alpaca},
    ]
    gathered, lines = gather(turns, sources=sources, checks={"mistranslation": "drop"})
    assert len(gathered.chats) == 3 + 1 + 200
    assert gathered.report["forms"] == {
        "shared": "turns of {from, value} in 'conversations'",
        "asked": "instruction and answer",
    }
    assert gathered.report["left_out"] == {"answers before the first question": 1, "records that do not fit": 1}
    assert gathered.report["misfits"][0].startswith(f"{shared}:3: a message of system after user")
    assert "  shared: turns of {from, value} in 'conversations': 202 chats of 203 records\n" in lines
    assert "  exact duplicates: 1, dropped; " in lines
    assert f"  known mistranslations: 1, dropped; {alpaca}:1: 「高貴なガス」, noble gas, is 「希ガス」\n" in lines
    assert gathered.report["checks"]["chats"] == 203  # what LiLM makes is not looked at


def test_what_is_joined_and_what_goes_are_told_apart(tmp_path: Path, turns: Turns) -> None:
    path = written(tmp_path / "s.jsonl", said("h空は？", "h青い？", "gはい。", "g青い。", "hそう？"))
    gathered, lines = gather(turns, sources=[{"name": "shared", "path": path}])
    assert [one["content"] for one in gathered.chats[0].messages] == ["空は？\n青い？", "はい。\n青い。"]
    assert "  noted: 2 messages of the one who spoke before, joined to one turn\n" in lines
    assert "  left out: 1 questions at the end of a chat, which nobody answers\n" in lines


def test_chats_are_made_in_the_language_that_a_source_names(turns: Turns) -> None:
    made = [{"name": name, "format": "chats", "limit": 3, "lang": lang} for name, lang in (("own", ""), ("en", "en"))]
    gathered, _ = gather(turns, sources=made)
    asked = [chat.messages[0]["content"] for chat in gathered.chats]
    assert [text.isascii() for text in asked] == [False] * 3 + [True] * 3


def test_checks_that_leave_nothing_say_so(tmp_path: Path, turns: Turns) -> None:
    path = written(tmp_path / "a.jsonl", said("h猫は？", "gAIなので分かりません。"))
    with pytest.raises(LilmError, match="no chat is left"):
        gather(turns, sources=[{"name": "x", "path": path}], checks={"refusal": "drop"})


def test_evaluation_files_are_looked_for_before_any_work_and_are_part_of_it(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", said("h猫は？", "g動物です。"))
    context = Context(0, 1, "ja", "en", Reporter(quiet=True))
    keys = {"sources": [{"name": "x", "path": path}], "checks": {"path": [str(tmp_path / "*.txt")]}}
    config = FinetuneConfig.model_validate(keys)
    with pytest.raises(LilmError, match="no file matches"):
        stage.check(config, context)
    (tmp_path / "b.txt").write_text("質問")
    stage.check(config, context)
    assert stage.external(config, context).keys() == {path, str(tmp_path / "b.txt")}
