"""The documentation follows the code: generated pages are as the code writes them, and no key or command is missing."""

import subprocess
import sys
from pathlib import Path

from lilm.pipeline.stage import STAGES
from lilm.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_generated_pages_are_not_stale() -> None:
    command = [sys.executable, str(ROOT / "dev" / "docs" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_key_of_the_recipe_has_a_meaning() -> None:
    lines = (DOCS / "recipe.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert len(rows) > 150
    assert [line for line in rows if line.endswith("|  |")] == []
    for name in Recipe.model_fields:
        assert f"## `[{name}]`" in lines or any(line.startswith(f"| `{name}` |") for line in rows), name


def test_every_stage_is_among_the_commands() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    assert all(f"## `lilm {stage.name}`" in text for stage in STAGES)
    assert "### `lilm export hub`" in text and "| `--recipe TEXT` |" in text
    assert "| `--back/--no-back` |" in text, "what is on by itself can be turned off"


def test_every_page_is_in_the_navigation() -> None:
    nav = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    assert [path.name for path in sorted(DOCS.glob("*.md")) if f'"{path.name}"' not in nav] == []
