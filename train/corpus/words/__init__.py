"""Word lists of the rules: one entry a line, `#` begins a comment."""

from functools import cache
from importlib.resources import files


@cache
def words(name: str) -> tuple[str, ...]:
    """The entries of `name`.txt in this folder, in their order."""
    lines = (files(__name__) / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in (line.partition("#")[0].strip() for line in lines) if line)
