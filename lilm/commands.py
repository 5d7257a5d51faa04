"""Commands of LiLM's as they must be typed: by the program that was called, from the folder that one is in."""

import os
import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "lilm"
CALLED = "LILM_CALLED"  # how this program was called; child processes, which are called otherwise, get it too


def command(*words: str | Path, folder: Path | None = None) -> str:
    """One line for a shell that calls LiLM with `words`, quoted where they need it.

    folder: where it is typed, when that is not the folder that one is in.
    """
    return " ".join([_program(folder), *(quoted(word) for word in words)])


def quoted(word: str | Path) -> str:
    """As a shell takes it for one word."""
    return shlex.quote(str(word))


def as_typed(text: str) -> str:
    """`text` with LiLM's commands between backticks as `command` makes them: for words that are the same everywhere.

    >>> as_typed("`lilm doctor` says what is missing")
    '`lilm doctor` says what is missing'
    """
    return text.replace(f"`{PROGRAM} ", f"`{_program(None)} ")


def remember_program() -> None:
    """Note how this process was called, for `command`. Call it before PATH is changed."""
    os.environ[CALLED] = program(Path(sys.argv[0]), os.environ.get("PATH", ""))


def program(called: Path, path: str) -> str:
    """How the program at `called` is called again: by its name alone when that is what PATH finds as this very file.

    `python -m lilm` has `__main__.py` there.
    """
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m {PROGRAM}"
    if called.name != PROGRAM:  # a test runner, or a script
        return PROGRAM
    found = shutil.which(PROGRAM, path=path)
    if found is not None and called.exists() and Path(found).resolve() == called.resolve():
        return PROGRAM
    name = str(called)
    return shlex.quote(name if "/" in name else f"./{name}")


def _program(folder: Path | None) -> str:
    noted = os.environ.get(CALLED, PROGRAM)
    words = shlex.split(noted)
    if folder is None or len(words) > 1 or "/" not in words[0] or Path(words[0]).is_absolute():
        return noted
    return shlex.quote(os.path.relpath(words[0], folder))
