"""`lilm generate`: prompts in, JSON Lines out, the same each time, also after it was stopped."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.cli.entry import make_app
from lilm.demo.dialogue import Dialogue
from lilm.errors import LilmError
from lilm.llamacpp import generate as generating
from lilm.llamacpp.answers import Order
from lilm.llamacpp.generate import generate
from lilm.llamacpp.prompts import Prompt, one_prompt, read_prompts
from lilm.progress import Reporter
from lilm.recipe import SamplingConfig

ORDER = Order(SamplingConfig().model_dump(), n_predict=12, seed=5)


def run(model: Path, prompts: list[Prompt], out: Path, **options: Any) -> list[dict[str, Any]]:
    generate(model, prompts, options.pop("order", ORDER), out, Reporter(Console(quiet=True)), threads=1, **options)
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_lines_and_records_are_read_alike(tmp_path: Path) -> None:
    lines, records = tmp_path / "prompts.txt", tmp_path / "prompts.jsonl"
    lines.write_text("\ufeffThe cat\r\n\r\nむかし\u2028むかし", encoding="utf-8")
    asked = [{"prompt": "The cat", "id": 7}, {"messages": [{"role": "user", "content": "むかし"}]}]
    records.write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    assert [prompt.asked for prompt in read_prompts(lines)] == ["The cat", "むかし\u2028むかし"]
    of_records = read_prompts(records, chat=True, system="Be kind.")
    head = {"role": "system", "content": "Be kind."}
    assert [prompt.asked for prompt in of_records] == [
        [head, {"role": "user", "content": "The cat"}],
        [head, {"role": "user", "content": "むかし"}],
    ]
    assert [prompt.given for prompt in of_records] == asked


def test_a_dash_is_the_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def given(data: bytes) -> list[Prompt]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))
        return read_prompts(Path("-"))

    monkeypatch.chdir(tmp_path)
    assert [prompt.asked for prompt in given("むかし\r\n\nThe cat\n".encode())] == ["むかし", "The cat"]
    with pytest.raises(LilmError, match="standard input: not UTF-8"):
        given("むかし".encode("euc_jp"))


def test_a_command_whose_prompts_were_all_refused_fails(
    chat_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    words = ["lilm", "generate", str(chat_gguf), "--prompt", "cat " * 400, "--out", str(out), "--n-ctx", "256"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(LilmError, match="took none of the prompts"):
        make_app()(standalone_mode=False)
    assert "context has room for" in out.read_text(encoding="utf-8")


def test_a_file_of_json_is_records_and_not_lines_of_text(tmp_path: Path) -> None:
    saved, listed, upper = (tmp_path / name for name in ("chat.json", "list.json", "P.JSONL"))
    dialogue = Dialogue("Be kind.")
    dialogue.ask("むかし")
    dialogue.save(saved)
    assert [prompt.asked for prompt in read_prompts(saved)] == [dialogue.messages]
    records = [{"prompt": "a"}, {"messages": dialogue.messages}]
    listed.write_text(json.dumps(records, indent=1), encoding="utf-8-sig")
    upper.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    for path in (listed, upper):
        assert [prompt.asked for prompt in read_prompts(path)] == ["a", dialogue.messages]
    for text, why in (
        ("[", "not JSON"),
        ("[{}]", "entry 1: neither a prompt"),
        ("3", "neither"),
        ("[]", "no prompt in"),
    ):
        listed.write_text(text)
        with pytest.raises(LilmError, match=why):
            read_prompts(listed)
    dialogue.answered("はい。")
    dialogue.save(saved)
    with pytest.raises(LilmError, match="the last message is not the user's"):
        read_prompts(saved)


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[]",
        "{}",
        '{"prompt": 1}',
        '{"prompt": "a", "messages": []}',
        '{"messages": []}',
        '{"messages": [{"role": "assistant", "content": "a"}]}',
        '{"prompt": "\\ud800"}',
    ],
)
def test_a_bad_record_is_named_by_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a"}\n' + line)
    with pytest.raises(LilmError, match="line 2: "):
        read_prompts(path)


def test_each_text_has_a_seed_of_its_own_and_depends_on_no_other(chat_gguf: Path, tmp_path: Path) -> None:
    prompts = [one_prompt("The cat", chat) for chat in (True, False, True)]
    records = run(chat_gguf, prompts, tmp_path / "all.jsonl")
    assert [record["seed"] for record in records] == [5, 6, 7]
    assert len({record["text"] for record in records}) == 3
    assert all(record["prompt"] == "The cat" for record in records)
    assert all(record["tokens"] == 12 and record["finish_reason"] == "length" for record in records)
    alone = run(chat_gguf, prompts[2:], tmp_path / "one.jsonl", order=Order(ORDER.sampling, 12, seed=7))
    assert alone == records[2:]


def test_a_stopped_run_goes_on_and_ends_in_the_same_bytes(
    chat_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [one_prompt(text, chat=True) for text in ("むかし", "The cat", "The mat", "door")]
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    run(chat_gguf, prompts, whole)
    make, made = generating._record, []

    def stops_at_the_third(engine: Any, prompt: Prompt, order: Order) -> dict[str, Any]:
        made.append(prompt)
        if len(made) == 3:
            raise KeyboardInterrupt
        return make(engine, prompt, order)

    monkeypatch.setattr(generating, "_record", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(chat_gguf, prompts, out)
    assert not out.exists()
    kept = next(path for path in tmp_path.iterdir() if path.name.startswith("out.jsonl"))
    kept.write_bytes(kept.read_bytes()[:-5])  # a kill in the middle of a line
    run(chat_gguf, prompts, out)
    assert made[3:] == prompts[1:], "the first record was kept"
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "whole.jsonl"]


def test_records_of_another_order_are_not_taken(
    chat_gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, out = [one_prompt("むかし", chat=True), one_prompt("The cat", chat=True)], tmp_path / "out.jsonl"
    make, made = generating._record, []

    def stops_at_the_second(engine: Any, prompt: Prompt, order: Order) -> dict[str, Any]:
        made.append(prompt)
        if len(made) == 2:
            raise KeyboardInterrupt
        return make(engine, prompt, order)

    monkeypatch.setattr(generating, "_record", stops_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(chat_gguf, prompts, out)
    (kept,) = tmp_path.iterdir()
    lines = kept.read_bytes()
    other = Order(ORDER.sampling, 12, seed=50)
    for changed in ({"prompts": prompts, "order": other}, {"prompts": [*prompts, one_prompt("door")]}):
        with pytest.raises(LilmError, match="it keeps 1 texts of other prompts, options or files"):
            run(chat_gguf, out=out, **changed)
        assert kept.read_bytes() == lines and not out.exists(), "hours of work are not lost by a slip"
    records = run(chat_gguf, prompts, out, order=other, force=True)
    assert [record["seed"] for record in records] == [50, 51]


def test_what_does_not_fit_is_refused_and_the_others_are_written(chat_gguf: Path, tmp_path: Path) -> None:
    prompts = [one_prompt("cat " * 400, chat) for chat in (True, False)]
    records = run(chat_gguf, [*prompts, one_prompt("むかし")], tmp_path / "out.jsonl")
    assert [record["finish_reason"] for record in records] == ["refused", "refused", "length"]
    assert "context has room for" in records[0]["error"] and records[0]["text"] == ""


def test_a_file_that_is_there_is_not_written_over(chat_gguf: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(LilmError, match="there already"):
        run(chat_gguf, [one_prompt("むかし")], out)
    assert out.read_text() == "mine"
    assert len(run(chat_gguf, [one_prompt("むかし")], out, force=True)) == 1
    with pytest.raises(LilmError, match="no such folder"):
        run(chat_gguf, [one_prompt("むかし")], tmp_path / "absent" / "out.jsonl")
    for force in (False, True):
        with pytest.raises(LilmError, match="a folder"):
            run(chat_gguf, [one_prompt("むかし")], tmp_path, force=force)
    assert not list(tmp_path.parent.glob(f"{tmp_path.name}.*")), "refused before any work"


def test_marks_in_a_prompt_are_text(chat_gguf: Path, tmp_path: Path) -> None:
    prompts = [one_prompt("むかし</s><s>"), one_prompt("むかし")]
    greedy = Order(SamplingConfig(temperature=0).model_dump(), 12)
    marked, plain = run(chat_gguf, prompts, tmp_path / "out.jsonl", order=greedy)
    assert marked["finish_reason"] == plain["finish_reason"] == "length"
    assert marked["text"] != plain["text"]
