"""Chats in the forms that people publish them in, told from the first record."""

import gzip
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lilm.chat import is_learnt
from lilm.errors import LilmError
from lilm.recipe import ChatSourceConfig
from lilm.train.finetune.messages import BY_TOOL
from lilm.train.finetune.reader import ChatReader
from lilm.train.finetune.sources import open_chats

ASKED, ANSWERED = {"role": "user", "content": "空は？"}, {"role": "assistant", "content": "青い。"}


def written(path: Path, *entries: Any) -> Path:
    path.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries), encoding="utf-8")
    return path


def opened(path: Path, **keys: Any) -> ChatReader:
    return open_chats(ChatSourceConfig.model_validate({"name": "x", "path": str(path), **keys}), "ja")


def said(reader: ChatReader) -> list[list[str]]:
    """The words of each chat, whose roles must take turns from the user on."""
    found = []
    for chat in reader:
        roles = [message["role"] for message in chat.messages if message["role"] != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        found.append([message["content"] for message in chat.messages])
    return found


def row(name: str, parent: str | None, text: str, rank: float | None = None, **more: Any) -> dict[str, Any]:
    """A message of oasst1, whose ids begin with q or a."""
    role = "prompter" if name[0] == "q" else "assistant"
    return {"message_id": name, "parent_id": parent, "role": role, "text": text, "rank": rank, "lang": "en", **more}


ROWS = [
    row("q1", None, "Q1"),
    row("a1", "q1", "worse", 1),
    row("a2", "q1", "better", 0),
    row("q2", "a2", "and then?"),
    row("a3", "q2", "this"),
    row("q3", "a2", "nobody answers"),
    row("q4", None, "Frage", lang="de"),
    row("a4", "q4", "Antwort", lang="de"),
]
BEST = [["Q1", "better", "and then?", "this"], ["Frage", "Antwort"]]


def nested(name: str) -> dict[str, Any]:
    (own,) = (dict(one) for one in ROWS if one["message_id"] == name)
    return own | {"replies": [nested(one["message_id"]) for one in ROWS if one["parent_id"] == name]}


def trees() -> list[dict[str, Any]]:
    return [
        {"message_tree_id": name, "tree_state": "ready_for_export", "prompt": nested(name)} for name in ("q1", "q4")
    ]


@pytest.mark.parametrize(
    ("entry", "form"),
    [
        ({"messages": [ASKED, ANSWERED]}, "turns of {role, content} in 'messages'"),
        ({"id": 1, "dialogue": [ASKED, ANSWERED]}, "turns of {role, content} in 'dialogue'"),
        ({"conversations": [{"from": "human", "value": "空は？"}, {"from": "gpt", "value": "青い。"}]}, "{from, val"),
        ({"utterances": [{"name": "user", "text": "空は？"}, {"name": "agent", "text": "青い。"}]}, "{name, text}"),
        ({"utterances": [
            {"interlocutor_id": "A", "text": "空は？"}, {"interlocutor_id": "B", "text": "青い。"}]}, "{interlocutor"),
        ({"instruction": "空は？", "input": "", "output": "青い。"}, "instruction and answer"),
        ({"instruction": "空は？", "context": "", "response": "青い。", "category": "qa"}, "instruction and answer"),
        ({"instruction": "空は？", "output": "青い。", "history": None}, "instruction and answer"),
        ({"message_id": "1", "role": "prompter", "text": "空は？", "replies": [
            {"message_id": "2", "role": "assistant", "text": "青い。", "replies": []}]}, "OpenAssistant trees"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["jsonl", "json", "object", "gz", "parquet"])
def test_forms_are_told_and_said(tmp_path: Path, entry: dict[str, Any], form: str, kind: str) -> None:
    path = written(tmp_path / "chats.jsonl", entry, entry)
    if kind == "json":
        path.write_text(json.dumps([entry, entry], ensure_ascii=False, indent=1), encoding="utf-8")
    elif kind == "object":
        path.write_text(json.dumps(entry, ensure_ascii=False, indent=1), encoding="utf-8")
    elif kind == "gz":
        path = tmp_path / "chats.jsonl.gz"
        path.write_bytes(gzip.compress(json.dumps(entry).encode()))
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist([entry, entry]), path)
    reader = opened(path)
    assert said(reader) == [["空は？", "青い。"]] * reader.records
    assert form in reader.described()


@pytest.mark.parametrize("kind", ["rows", "trees", "rows.parquet", "trees.json"])
def test_trees_of_openassistant(tmp_path: Path, kind: str) -> None:
    rows, path = list(ROWS), tmp_path / kind
    random.Random(0).shuffle(rows)  # also a reply before its question
    if kind == "rows.parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "trees.json":
        path.write_text(json.dumps(trees()))
    else:
        written(path, *(rows if kind == "rows" else trees()))
    assert sorted(said(opened(path))) == sorted(BEST)
    assert sorted(said(opened(path, format="oasst", branches="all"))) == sorted([*BEST, ["Q1", "worse"]])
    reader = opened(path, lang="de")
    assert said(reader) == [["Frage", "Antwort"]]
    assert reader.left_out == {"messages that are not in 'de', and what replies to them": 1}


def test_of_trees_deleted_lost_and_badly_translated_messages_are_left_out_and_counted(tmp_path: Path) -> None:
    path = written(
        tmp_path / "rows.jsonl",
        row("q1", None, "", text_ja="空は？"),
        row("a1", "q1", "", 0, text_ja="消", deleted=True),
        row("a2", "q1", "", 1, text_ja="blue", ng_translation="1"),
        row("a3", "q1", "", 2, text_ja="青い。", ng_translation="0"),
        row("a5", "gone", "lost"),
        row("q6", "a7", "in a"),
        row("a7", "q6", "circle"),
    )
    reader = opened(path)
    assert said(reader) == [["空は？", "青い。"]]
    assert reader.left_out == {
        "deleted messages, and what replies to them": 1,
        "failed translations (ng_translation), and what replies to them": 1,
        "messages whose question is not in the file": 3,
    }


def test_bare_lists_of_messages_are_chats(tmp_path: Path) -> None:
    chat = [ASKED, ANSWERED]
    lines, listed = tmp_path / "a.jsonl", tmp_path / "a.json"
    lines.write_text("".join(json.dumps(chat) + "\n" for _ in range(3)), encoding="utf-8-sig")
    listed.write_text(json.dumps([chat] * 3) + "\n\n", encoding="utf-8")
    assert said(opened(lines)) == said(opened(listed)) == [["空は？", "青い。"]] * 3
    entries = tmp_path / "entries.json"
    entries.write_text(json.dumps([{"messages": chat}]) + "\n\n", encoding="utf-8")
    assert said(opened(entries)) == [["空は？", "青い。"]]


def test_speakers_are_known_by_large_letters_too(tmp_path: Path) -> None:
    names = ("Human", "GPT"), ("USER", "Assistant"), ("human", "AI")
    chats = [
        {"conversations": [{"from": one, "value": "空は？"}, {"from": other, "value": "青い。"}]}
        for one, other in names
    ]
    assert said(opened(written(tmp_path / "a.jsonl", *chats))) == [["空は？", "青い。"]] * 3


def test_a_tree_can_be_deeper_than_python_recurses(tmp_path: Path) -> None:
    names = ["q0", *(f"{'qa'[at % 2]}{at}" for at in range(1, 5_000))]
    rows = [row(name, names[at - 1] if at else None, str(at)) for at, name in enumerate(names)]
    (chat,) = said(opened(written(tmp_path / "deep.jsonl", *rows)))
    assert chat == [str(at) for at in range(5_000)]


def test_calls_of_tools_are_named_and_left_out_and_what_a_tool_told_is_not_learnt(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    path = written(
        tmp_path / "openai.jsonl",
        {"messages": [
            {"role": "developer", "content": "短く。"}, ASKED, ANSWERED, ASKED,
            {"role": "assistant", "content": None, "tool_calls": [call, call]},
            {"role": "tool", "tool_call_id": "1", "content": "晴れ"}, ANSWERED, ASKED, ANSWERED,
        ]},
        {"messages": [ASKED, {"role": "assistant", "tool_calls": [call]}]},
        {"messages": [ASKED, {**ANSWERED, "tool_calls": None}]},
    )  # fmt: skip
    reader = opened(path)
    (first, second) = (chat.messages for chat in reader)
    assert [message["content"] for message in first] == ["短く。", *["空は？", "青い。"] * 3]
    assert [is_learnt(message) for message in first] == [False, False, True, False, False, False, True]
    assert [message["content"] for message in second] == ["空は？", "青い。"]
    assert reader.left_out == {"calls of the tool 'get_weather'": 3, BY_TOOL: 1}
    shared = {"conversations": [
        {"from": "system", "value": "短く。"}, {"from": "human", "value": "空は？"}, {"from": "gpt", "value": "青い。"},
        {"from": "human", "value": "天気は？"}, {"from": "Function_Call", "value": '{"name": "weather"}'},
        {"from": "Observation ", "value": "晴れ"}, {"from": "gpt", "value": "晴れです。"},
    ]}  # fmt: skip
    reader = opened(written(tmp_path / "sharegpt.jsonl", shared))
    assert said(reader) == [["短く。", "空は？", "青い。"]]
    assert reader.left_out == {"calls of the tool 'weather'": 1, BY_TOOL: 1}


@pytest.mark.parametrize("file", ["a.jsonl", "a.parquet"])
def test_what_was_said_before_an_instruction_is_read(tmp_path: Path, file: str) -> None:
    entry = {"instruction": "and Italy?", "output": "Rome", "history": [["France?", "Paris"]], "system": "Be short."}
    if file.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist([entry]), tmp_path / file)
    else:
        written(tmp_path / file, entry)
    (chat,) = opened(tmp_path / file)
    assert [one["content"] for one in chat.messages] == ["Be short.", "France?", "Paris", "and Italy?", "Rome"]


@pytest.mark.parametrize("history", ["France? Paris", [["France?"]], [{"France?": "Paris"}], 7])
def test_a_history_that_is_no_pairs_is_named(tmp_path: Path, history: Any) -> None:
    path = written(tmp_path / "a.jsonl", {"instruction": "and Italy?", "output": "Rome", "history": history})
    with pytest.raises(LilmError, match="a history that is") as caught:
        list(opened(path))
    assert caught.value.where == f"{path}:1"


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_message_that_stands_beside_the_messages_too_is_read_once(tmp_path: Path, role: str) -> None:
    first = {"role": role, "content": "短く。 "}
    (same,) = opened(written(tmp_path / "a.jsonl", {"messages": [first, ASKED, ANSWERED], "system": "短く。"}))
    assert same.messages == [{"role": "system", "content": "短く。"}, ASKED, ANSWERED]
    (other,) = opened(written(tmp_path / "b.jsonl", {"messages": [first, ASKED, ANSWERED], "system": "丁寧に。"}))
    assert other.messages[0]["content"] == "丁寧に。\n短く。"


def test_several_files_by_a_glob(tmp_path: Path) -> None:
    for name in ("b", "a"):
        written(tmp_path / f"{name}.jsonl", {"messages": [{**ASKED, "content": name}, ANSWERED]})
    assert said(opened(tmp_path / "*.jsonl")) == [["a", "青い。"], ["b", "青い。"]]


GOOD = {"messages": [ASKED, ANSWERED]}


def test_few_records_that_do_not_fit_are_named_counted_and_left_out(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", *[GOOD] * 150, {"messages": [None]}, *[GOOD] * 50)
    with path.open("a") as file:
        file.write('{"messages": [\n')
    reader = opened(path)
    assert len(said(reader)) == 200
    assert reader.left_out == {"records that do not fit": 2}
    assert [error.where for error in reader.bad] == [f"{path}:151", f"{path}:202"]


@pytest.mark.parametrize(("max_bad", "counted"), [(0.01, "; of 100 records 2 do not fit"), (0, "")])
def test_many_end_it_with_the_first(tmp_path: Path, max_bad: float, counted: str) -> None:
    path = written(tmp_path / "a.jsonl", GOOD, {"messages": [None]}, *[GOOD] * 97, {"messages": 1})
    with pytest.raises(LilmError) as caught:
        said(opened(path, max_bad=max_bad))
    assert caught.value.where == f"{path}:2"
    assert caught.value.what == f"a message that is None, not an object{counted}"
    assert "max_bad" in caught.value.remedy


@pytest.mark.parametrize(
    ("entries", "keys", "what"),
    [
        ([{"text": "a", "id": 1}], {}, "chats in no form that LiLM knows (found 'text, id')"),
        ([GOOD], {"format": "oasst"}, "no OpenAssistant tree but turns of {role, content}"),
        ([None], {}, "None instead of a JSON object"),
        ([{"messages": ["hi", "there"]}], {}, "a message that is 'hi', not an object"),
        ([{"message_id": "1", "parent_id": None, "role": "prompter", "text": 1}], {}, "a message with text=1"),
        ([ROWS[0], ROWS[0]], {}, "a message with message_id='q1', which stood before"),
        ([{"prompt": {"text": "a", "role": "prompter", "replies": [None]}}], {}, "a message that is None"),
        ([{"prompt": {"text": "a", "role": "prompter", "replies": "b"}}], {}, "replies that are 'b'"),
        ([{"utterances": [{"interlocutor_id": at, "text": "a"} for at in "ABC"]}], {}, "3 people talk in it"),
        ([{"messages": [None]}] * 2, {"max_bad": 1}, "a message that is None, not an object; no record fits"),
        ([row("q1", None, "a")], {}, "no chat in it to learn from (1 chats without an assistant's turn)"),
    ],
)  # fmt: skip
def test_what_is_no_form_of_chats_is_named(tmp_path: Path, entries: list[Any], keys: dict[str, Any], what: str) -> None:
    path = written(tmp_path / "a.jsonl", *entries)
    with pytest.raises(LilmError) as caught:
        said(opened(path, **keys))
    assert caught.value.where.startswith(str(path)) and caught.value.what.startswith(what)


def test_a_damaged_parquet_file_is_one_line(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([GOOD] * 100), tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    for place in range(0, len(data), 7):
        (tmp_path / "b.parquet").write_bytes(data[:place] + b"\xff\x00\xff" + data[place + 3 :])
        try:
            said(opened(tmp_path / "b.parquet"))
        except LilmError as error:
            assert str(tmp_path) in error.where


def test_real_files(shared_data: Path) -> None:
    chat = shared_data / "chat"
    trees = opened(chat / "oasst_en" / "en_100_tree.jsonl")
    paths = said(trees)
    everything = said(opened(chat / "oasst_en" / "en_100_tree.jsonl", branches="all"))
    assert len(paths) == trees.records == 60 and len(everything) > len(paths)
    assert Counter(path[0] for path in paths).keys() == Counter(path[0] for path in everything).keys()
    for folder, form in (("instruction_ja/data", "{name, text}"), ("sharegpt_en", "{from, value}")):
        (path,) = (chat / folder).glob("*.json*")
        reader = opened(path)
        assert len(said(reader)) > 0.9 * reader.records and form in reader.described()
