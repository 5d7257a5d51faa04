"""The words of a language, from TOML files: `tables/LANGUAGE/words.toml`, `chats.toml` and one file for each plot."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import SimpleNamespace
from typing import Any, NamedTuple


class Animal(NamedTuple):
    """sound: "" for an animal that a children's book gives no cry. size: for comparing, 1 (mouse) to 9 (elephant)."""

    about: str
    eats: str
    home: str
    size: int
    sound: str = ""
    flies: bool = False


@dataclass(frozen=True)
class Tables:
    """words: tables of words by their id in world.py. beats: what may be told, by the beat's name in plots.py.
    subjects: texts by table of world.TABLES, row and field. facts: what the chats know. animals: by kind."""

    words: SimpleNamespace
    beats: dict[str, list[str]]
    subjects: dict[str, dict[str, dict[str, str]]]
    facts: SimpleNamespace
    animals: dict[str, Animal]


@cache
def tables(language: str) -> Tables:
    """Those of "ja" or "en"."""
    folder = files(__package__) / "tables" / language
    plots = [_read(path) for path in sorted((folder / "plots").iterdir(), key=lambda path: path.name)]
    facts = _read(folder / "chats.toml")
    return Tables(
        words=SimpleNamespace(**_read(folder / "words.toml")),
        beats={beat: variants for plot in plots for beat, variants in plot["beats"].items()},
        subjects={table: rows for plot in plots for table, rows in plot.get("subjects", {}).items()},
        facts=SimpleNamespace(**facts),
        animals={kind: Animal(**known) for kind, known in facts["animals"].items()},
    )


def _read(path: Traversable) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
