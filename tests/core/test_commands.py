"""The commands that LiLM prints run as they are printed, in a shell, from where one is."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lilm.commands import CALLED, as_typed, command, program


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A script as pip writes it, in a venv's folder whose name has a space."""
    script = tmp_path / "my venv" / "bin" / "lilm"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!{sys.executable}\nfrom lilm.cli.entry import main\nmain()\n")
    script.chmod(0o755)
    return script


def remedy(line: str, cwd: Path, **environment: str) -> str:
    """What `lilm run` says between backticks where there is no recipe."""
    done = subprocess.run(["bash", "-c", line], cwd=cwd, capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 2, done.stderr
    return done.stderr.split("`")[1]


def test_a_printed_command_runs_where_it_is_printed(installed: Path, tmp_path: Path) -> None:
    said = remedy("'my venv/bin/lilm' run", tmp_path)
    assert said == "'my venv/bin/lilm' init DIR"
    subprocess.run(["bash", "-c", said], cwd=tmp_path, check=True, capture_output=True)
    assert (tmp_path / "DIR" / "lilm.toml").is_file()


def test_what_path_finds_is_called_by_its_name(installed: Path, tmp_path: Path) -> None:
    path = f"{installed.parent}:{os.environ['PATH']}"
    assert remedy("lilm run", tmp_path, PATH=path) == "lilm init DIR"
    other = tmp_path / "other"
    other.mkdir()
    (other / "lilm").write_text("#!/bin/sh\nexit 1\n")
    (other / "lilm").chmod(0o755)
    assert remedy(f"{shlex.quote(str(installed))} run", tmp_path, PATH=f"{other}:{path}") == (
        f"'{installed}' init DIR"
    ), "the one that PATH finds is another program"


def test_a_recipe_without_its_option_is_told_the_option(installed: Path, tmp_path: Path) -> None:
    line = f"{shlex.quote(str(installed))} run my/lilm.toml"
    assert remedy(line, tmp_path) == f"'{installed}' run --recipe my/lilm.toml"


def test_python_dash_m() -> None:
    assert program(Path("/x/lilm/__main__.py"), "") == f"{shlex.quote(sys.executable)} -m lilm"


def test_words_are_quoted_and_the_program_is_found_from_another_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CALLED, ".venv/bin/lilm")
    assert command("serve", Path("my runs/it's"), "--open") == """.venv/bin/lilm serve 'my runs/it'"'"'s' --open"""
    assert command("run", folder=Path("models/mine")) == "../../.venv/bin/lilm run"
    assert as_typed("run `lilm doctor`, not lilm") == "run `.venv/bin/lilm doctor`, not lilm"
    monkeypatch.setenv(CALLED, "lilm")
    assert command("run", folder=Path("models/mine")) == "lilm run"
