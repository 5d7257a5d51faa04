"""`lilm finetune show`: what is learnt of a conversation, with a tokenizer from anywhere and nothing trained."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from lilm.cli.entry import make_app
from lilm.errors import LilmError
from lilm.llamacpp.vocab import write_vocab_gguf
from lilm.recipe import Recipe, load_recipe
from lilm.train.finetune.show import show_chats
from lilm.train.stories import stories
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.vocabulary.sentencepiece import read_proto

TALK = [
    {"role": "user", "content": "What is a cat? </s>"},
    {"role": "assistant", "content": "A small\nanimal. 猫です。"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a model that is nothing but a tokenizer."""
    made = tmp_path_factory.mktemp("base")
    train_base_tokenizer(stories("en", 150, 0), 400, made / "tokenizer.model")
    write_tokenizer(read_proto(made / "tokenizer.model"), made, 256)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    long = [*TALK] * 30
    lines = [{"messages": TALK}, {"messages": [None]}, {"messages": long}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def shown(
    name: str,
    model: Path | None,
    recipe: Recipe | None = None,
    run: Path | None = None,
    color: bool = False,
    count: int = 1,
) -> dict[str, Any]:
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=color, color_system="256" if color else None)
    return show_chats(name, recipe, run, model, count, console) | {"screen": out.getvalue()}


@pytest.mark.parametrize("kind", ["folder", "model alone", "gguf"])
def test_the_answer_and_its_end_are_learnt_and_nothing_else(
    tmp_path: Path, folder: Path, file: Path, kind: str
) -> None:
    model = tmp_path / "a.gguf" if kind == "gguf" else tmp_path
    if kind == "gguf":
        write_vocab_gguf(folder, model)
    else:
        for name in ("tokenizer.model",) if kind == "model alone" else ("tokenizer.model", "tokenizer_config.json"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
    figures = shown(str(file), model)
    (chat,) = figures["chats"]
    (part,) = chat["parts"]
    tokens = part["tokens"]
    assert "".join(token["text"] for token in tokens if token["learnt"]) == "A small\nanimal. 猫です。</s>"
    controls = [token["text"] for token in tokens if token["control"]]
    assert controls == ["<s>", "</s>"] * 2  # and not the one that somebody typed
    assert chat["where"] == f"{file}:1"
    assert "⟦A small↵\nanimal. 猫です。</s>⟧" in figures["screen"]


def test_colours_need_no_marks(folder: Path, file: Path) -> None:
    figures = shown(str(file), folder, color=True)
    assert "⟦" not in figures["screen"] and "\x1b[" in figures["screen"]


def test_nothing_of_a_file_steers_the_terminal(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"messages": [TALK[0], {"role": "assistant", "content": "a\x1b[2Jb\x07"}]}))
    figures = shown(str(path), folder)
    assert "\x1b" not in figures["screen"] and "·[2Jb·" in figures["screen"]


def test_what_is_cut_and_what_does_not_fit_is_shown(folder: Path, file: Path) -> None:
    figures = shown(str(file), folder, count=2)
    assert [len(chat["parts"]) for chat in figures["chats"]][1] > 1
    assert f"does not fit: {file}:2: a message that is None" in figures["screen"]
    assert f"{file}:3, part 1 of " in figures["screen"] and "cut between exchanges: 1 chats" in figures["screen"]


def test_a_source_of_the_recipe_with_what_the_run_has(tmp_path: Path, folder: Path) -> None:
    recipe = load_recipe("quickstart")
    with pytest.raises(LilmError, match="no tokenizer yet"):
        shown("chats-ja", None, recipe, tmp_path)
    (tmp_path / "base").symlink_to(folder)
    figures = shown("chats-ja", None, recipe, tmp_path, count=2)
    assert len(figures["chats"]) == 2 and figures["window"] == 256 and figures["tokenizer"] == str(tmp_path / "base")
    with pytest.raises(LilmError, match="the recipe's are: chats-ja"):
        shown("chats-xx", None, recipe, tmp_path)


def test_the_command(tmp_path: Path, folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["finetune", "show", str(file), "--model", str(folder), "--count", "1", "--json", "a.json"]
    result = CliRunner().invoke(make_app(), command)
    assert result.exit_code == 0 and "chats: 1, tokens: " in result.output
    assert len(json.loads((tmp_path / "a.json").read_text())["chats"]) == 1
    with pytest.raises(LilmError, match="no such file or folder"):
        CliRunner().invoke(make_app(), [*command[:4], "none", *command[5:]], catch_exceptions=False)
