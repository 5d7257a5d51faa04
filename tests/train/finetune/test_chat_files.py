"""Files of chats: what is read of them, what is left out, and that all else is named before any work."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.errors import LilmError
from lilm.pipeline import runner
from lilm.pipeline.runner import chosen_stages, run_stages
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import ChatSourceConfig, FinetuneConfig, load_recipe
from lilm.train.finetune import stage
from lilm.train.finetune.messages import JOINED, LONGEST, THOUGHT, UNANSWERED, WORDLESS
from lilm.train.finetune.sources import read_chats

ASKED, ANSWERED = {"role": "user", "content": "空は？"}, {"role": "assistant", "content": "青い。"}
GOOD = {"messages": [ASKED, ANSWERED]}
SAID = [{"from": "human", "value": "空は？"}, {"from": "gpt", "value": "青い。"}]
SYSTEM = {"role": "system", "content": "短く。"}


def source(path: Path, format: str = "messages", **keys: Any) -> ChatSourceConfig:
    return ChatSourceConfig.model_validate({"name": "x", "format": format, "path": str(path), **keys})


def written(path: Path, *entries: Any) -> Path:
    """JSON Lines."""
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    return path


def messages(source: ChatSourceConfig, left_out: Counter[str] | None = None) -> list[list[dict[str, str]]]:
    return [chat.messages for chat in read_chats(source, "ja", 0, left_out)]


def check(source: ChatSourceConfig) -> None:
    stage.check(FinetuneConfig(sources=(source,)), Context(0, 1, "ja", "en", Reporter()))


@pytest.mark.parametrize(
    ("format", "entry", "expected"),
    [
        ("messages", GOOD, [ASKED, ANSWERED]),
        ("utterances", {"utterances": [{"name": "user", "text": "空は？"}, {"name": "agent", "text": "青い。"}]}, None),
        ("sharegpt", {"conversations": SAID}, None),
        ("sharegpt", {"conversations": SAID, "system": "短く。"}, [SYSTEM, ASKED, ANSWERED]),
        ("sharegpt", {"conversations": SAID, "system": None, "system_prompt": "短く。"}, [SYSTEM, ASKED, ANSWERED]),
        ("messages", {**GOOD, "system_message": "短く。"}, [SYSTEM, ASKED, ANSWERED]),
        ("sharegpt", {"conversations": SAID, "system": ""}, None),
        ("sharegpt", {"conversations": SAID, "system": None}, None),
        ("messages", {"instruction": "空は？", "input": "", "output": "青い。"}, None),
        ("sharegpt", {"instruction": "空は", "input": "？", "output": "青い。"}, [
            {"role": "user", "content": "空は\n？"}, ANSWERED,
        ]),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "text", "text": "空は？"}]}, ANSWERED]}, None),
        ("messages", {"messages": [ASKED, ANSWERED, ASKED, {"role": "assistant", "content": " "}]}, None),
        ("messages", {"messages": [ASKED, ANSWERED, ASKED]}, None),
    ],
)  # fmt: skip
def test_chats_of_other_tools(tmp_path: Path, format: str, entry: dict[str, Any], expected: list[Any] | None) -> None:
    files = {
        "lines.jsonl": json.dumps(entry).encode(),
        "bom.jsonl": b"\xef\xbb\xbf" + json.dumps(entry, ensure_ascii=False).encode() + b"\r\n\r\n",
        "list.jsonl": b"\xef\xbb\xbf\r\n" + json.dumps([entry], indent=1).encode(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        check(source(tmp_path / name, format))
        assert messages(source(tmp_path / name, format)) == [expected or [ASKED, ANSWERED]]


def test_what_teaches_nothing_is_left_out_and_counted(tmp_path: Path) -> None:
    empty = {"messages": [ASKED, {"role": "assistant", "content": ""}]}
    long = {"messages": [ASKED, {"role": "assistant", "content": "あ" * (LONGEST + 1)}]}
    path = written(tmp_path / "a.jsonl", {"messages": [ASKED]}, GOOD, empty, long, {"messages": []}, GOOD, GOOD)
    left_out: Counter[str] = Counter()
    assert messages(source(path, limit=2), left_out) == [GOOD["messages"]] * 2
    assert dict(left_out) == {
        "chats without an assistant's turn": 2,
        "empty answers": 1,
        "chats of more than 1000000 characters": 1,
    }


def test_an_empty_answer_is_none_and_what_follows_it_is_learnt(tmp_path: Path) -> None:
    empty = {"role": "assistant", "content": " \n"}
    path = written(
        tmp_path / "a.jsonl",
        {"messages": [ASKED, empty, {"role": "user", "content": "あの。"}, ANSWERED, ASKED, empty]},
        {"messages": [empty, ASKED, ANSWERED, empty]},
    )
    left_out: Counter[str] = Counter()
    twice = {"role": "user", "content": f"{ASKED['content']}\nあの。"}
    assert messages(source(path), left_out) == [[twice, ANSWERED], [ASKED, ANSWERED]]
    assert dict(left_out) == {"empty answers": 4, JOINED: 1}


def test_a_question_that_nobody_answers_and_one_without_words_are_counted(tmp_path: Path) -> None:
    wordless = {"role": "user", "content": " \n"}
    path = written(
        tmp_path / "a.jsonl",
        {"messages": [ASKED, ANSWERED, ASKED, ASKED]},
        {"messages": [wordless, ANSWERED, wordless, ASKED, ANSWERED]},
        {"messages": [ASKED]},
    )
    left_out: Counter[str] = Counter()
    found = messages(source(path), left_out)
    assert found == [[ASKED, ANSWERED], [{**wordless, "content": ""}, ANSWERED, ASKED, ANSWERED]]
    assert dict(left_out) == {UNANSWERED: 1, WORDLESS: 1, "chats without an assistant's turn": 1, JOINED: 2}


@pytest.mark.parametrize("key", ["reasoning_content", "thinking"])
def test_thoughts_beside_an_answer_are_counted(tmp_path: Path, key: str) -> None:
    thought = [ASKED, {**ANSWERED, key: "光が散らばる。"}, ASKED, {**ANSWERED, key: None}]
    left_out: Counter[str] = Counter()
    assert messages(source(written(tmp_path / "a.jsonl", {"messages": thought})), left_out) == [[ASKED, ANSWERED] * 2]
    assert dict(left_out) == {THOUGHT: 1}


def test_an_answer_of_weight_0_is_read_and_not_learnt(tmp_path: Path) -> None:
    unlearnt, weighted = {**ANSWERED, "content": "赤い。", "weight": 0}, {**ANSWERED, "weight": 1}
    chats = [
        [ASKED, weighted, ASKED, unlearnt, ASKED, weighted, ASKED, unlearnt],
        [ASKED, unlearnt, ASKED, ANSWERED],
        [{**ASKED, "weight": 0}, {**ANSWERED, "weight": None}],
        [ASKED, unlearnt],
        [ASKED, {**ANSWERED, "weight": 0.0}, {**ANSWERED, "weight": 1}, ASKED, ANSWERED],
    ]
    path = written(tmp_path / "a.jsonl", *({"messages": chat} for chat in chats))
    left_out: Counter[str] = Counter()
    kept = {**unlearnt, "weight": "0"}
    found = messages(source(path), left_out)
    twice = {**kept, "content": "\n".join([ANSWERED["content"]] * 2)}
    assert found == [
        [ASKED, ANSWERED, ASKED, kept, ASKED, ANSWERED],
        [ASKED, kept, ASKED, ANSWERED],
        [ASKED, ANSWERED],
        [ASKED, twice, ASKED, ANSWERED],
    ]
    assert dict(left_out) == {"answers of weight 0, which are read and not learnt": 5, JOINED: 1}
    again = written(tmp_path / "again.jsonl", *({"messages": chat} for chat in found))
    assert messages(source(again)) == found, "what is written and read again stays so"


def lines(*entries: Any) -> bytes:
    return "".join(json.dumps(entry) + "\n" for entry in entries).encode()


@pytest.mark.parametrize(
    ("format", "data", "where", "what"),
    [
        ("messages", b"", "", "no chat in it"),
        ("messages", b" \n", "", "no chat in it"),
        ("sharegpt", b"[]", "", "no chat in it"),
        ("messages", lines({"messages": [ASKED]}), "", "(1 chats without an assistant's turn)"),
        ("messages", lines(GOOD, {"messages": [None, ASKED]}), ":2", "a message that is None, not an object"),
        ("messages", lines(GOOD, {"messages": ["hi", "there"]}), ":2", "a message that is 'hi', not an object"),
        ("utterances", lines({"utterances": ["User"]}), ":1", "a message that is 'User'"),
        ("messages", lines({"messages": [{"role": "user", "content": [["a"]]}]}), ":1", "content=[['a']]"),
        ("messages", lines({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}), ":1", "image_url"),
        ("messages", lines({"messages": [{"role": ["user"], "content": "a"}]}), ":1", "role=['user']"),
        ("messages", lines({"messages": [{"role": "user", "content": "\ud800"}, ANSWERED]}), ":1", "half a surrogate"),
        ("messages", lines({"messages": None}), ":1", "no list of messages but None"),
        ("messages", lines({"messages": {"a": "b" * 10_000}}), ":1", "no list of messages but {'a': 'bbb"),
        ("messages", lines({"text": "a", "id": 1}), ":1", "no 'messages' in it (found 'text, id')"),
        ("messages", lines({"messages": [{"role": "r" * 10_000, "content": "a"}]}), ":1", "role='rrr"),
        ("messages", lines({"instruction": "a", "input": 7, "output": "b"}), ":1", "an input that is 7"),
        ("messages", lines({"instruction": "a", "output": None}), ":1", "content=None"),
        ("messages", lines([GOOD], 1), ":1", "role=None"),
        ("messages", b"[\n" + lines(GOOD), "", "not JSON"),
        ("messages", lines(GOOD, None), ":2", "None instead of a JSON object"),
        ("messages", lines(GOOD) + b"[" * 100_000, ":2", "JSON nested too deep"),
        ("messages", lines(GOOD) + b'{"a": ' + b"9" * 5_000 + b"}", ":2", "not JSON"),
        ("messages", lines(GOOD) + b"\xff", ":2", "not JSON"),
        ("sharegpt", json.dumps([None, {"conversations": SAID}]).encode(), ": entry 1", "None instead of a JSON"),
        ("sharegpt", json.dumps([{"conversations": SAID, "system": 1}]).encode(), ": entry 1", "value=1"),
        ("messages", json.dumps(GOOD).encode("utf-16"), "", "UTF-16"),
        ("messages", json.dumps(GOOD).encode("utf-16-le"), "", "UTF-16"),
    ],
)
def test_what_is_wrong_with_chats_is_named_before_any_work(
    tmp_path: Path, format: str, data: bytes, where: str, what: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    with pytest.raises(LilmError) as caught:
        check(source(path, format))
    line = caught.value.line()
    assert line.startswith(f"{path}{where}: ") and what in line and len(line) < len(str(path)) + 300


def test_chats_are_made_for_known_languages_only() -> None:
    with pytest.raises(LilmError, match="no chats in 'fr'"):
        stage.check(
            FinetuneConfig.model_validate({"sources": [{"name": "x", "format": "chats", "limit": 5}]}),
            Context(0, 1, "fr", "en", Reporter()),
        )


def test_chats_of_the_hub(tmp_path: Path) -> None:
    written(tmp_path / "train.jsonl", {"conversations": SAID, "system": "短く。"})
    hub = ChatSourceConfig(name="x", format="hub", repo=str(tmp_path), field="conversations")
    assert messages(hub) == [[SYSTEM, ASKED, ANSWERED]]
    with pytest.raises(LilmError, match="cannot be opened"):
        messages(hub.model_copy(update={"split": "other"}))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"title": "no chat"}, "chats in no form"),
        ({"conversations": [SAID[0]]}, "no chat in it"),
        (None, "cannot be opened"),
    ],
)
def test_a_dataset_that_is_no_chats_is_told_before_the_first_stage_and_not_asked_after_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: Any, why: str
) -> None:
    data, run = tmp_path / "data", tmp_path / "run"
    data.mkdir()
    if record:
        written(data / "train.jsonl", record)
    hub = {"name": "x", "format": "hub", "repo": str(data), "field": "conversations"}
    recipe = load_recipe("quickstart")
    tuned = FinetuneConfig.model_validate({**recipe.finetune.model_dump(), "sources": [hub]})
    recipe = recipe.model_copy(update={"finetune": tuned})
    with pytest.raises(LilmError, match=why):
        run_stages(recipe, run, chosen_stages(None, None), Reporter(Console(quiet=True)))
    assert not run.exists()
    monkeypatch.setattr(runner, "would_run", lambda recipe, run, stages, *_: dict.fromkeys(one.name for one in stages))
    monkeypatch.setattr(runner, "run_stage", lambda *_: False)
    assert run_stages(recipe, run, chosen_stages(None, None), Reporter(Console(quiet=True))) == []
