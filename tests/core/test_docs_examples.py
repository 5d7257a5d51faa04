"""Every command and every part of a recipe that README and the pages show is one that LiLM takes."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lilm.cli.entry import make_app
from lilm.recipe import Recipe, shipped_recipes

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# `lilm words --option VALUE`, in a line or in a block; what is in brackets or capitals stands for what one chooses
INLINE, BLOCK = re.compile(r"`lilm ([^`\n]+(?:\n[^`\n]+)?)`"), re.compile(r"```(?:sh|text)\n(.*?)```", re.DOTALL)
LINE = re.compile(r"^(?:\$ )?(?:\S*/)?lilm (.+)$", re.MULTILINE)


def commands(page: Path) -> set[str]:
    text = page.read_text(encoding="utf-8")
    lines = {line for block in BLOCK.findall(text) for line in LINE.findall(block.replace("\\\n", " "))}
    found = {" ".join(line.split("#")[0].split()) for line in {*INLINE.findall(text), *lines}}
    return {line for line in found if not line.startswith("COMMAND")}


def refusal(line: str) -> str:
    """What the command line says against it, "" for what it takes. With --help no command is run, and no file needs to
    be there."""
    words = shlex.split(re.sub(r"\s*(\[.*?\]|…|\|.*|&&.*|> .*)$", "", line))
    done = CliRunner().invoke(make_app(), [*words, "--help"])
    return done.output if done.exit_code else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_that_a_page_shows_are_taken(page: Path) -> None:
    refused = {line: said for line in sorted(commands(page)) if (said := refusal(line))}
    assert refused == {}


def test_commands_are_found_and_a_wrong_one_is_refused() -> None:
    assert sum(len(commands(page)) for page in PAGES) > 100
    assert "bench chat RUN --data DATA" in commands(ROOT / "README.md")
    assert "No such option" in refusal("run --recipes quickstart")
    assert "No such command" in refusal("serves runs/quickstart")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_parts_of_a_recipe_that_a_page_shows_are_taken(page: Path) -> None:
    whole = tomllib.loads(shipped_recipes()["quickstart"])
    del whole["export"]  # what a page shows of it stands for itself
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for part in re.split(r"\n(?=\[)", block):
            Recipe.model_validate(laid(whole, tomllib.loads(part)))


def laid(table: Any, over: Any) -> Any:
    """`over` in its place of `table`; what is a list there is longer."""
    if isinstance(over, dict) and isinstance(table, dict):
        return {**table, **{key: laid(table.get(key), value) for key, value in over.items()}}
    return [*table, *over] if isinstance(over, list) and isinstance(table, list) and isinstance(over[0], dict) else over
