"""The examples in docstrings are true."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {"lilm": "lilm", "train": "lilm.train", "export": "lilm.export", "wasm": "lilm.wasm", "demo": "lilm.demo"}


def modules() -> list[str]:
    """Those with an example, by name."""
    found = []
    for room, package in ROOMS.items():
        for path in sorted((ROOT / room).rglob("*.py")):
            is_link = any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(ROOT))
            if not is_link and ">>> " in path.read_text(encoding="utf-8"):
                found.append(".".join([package, *path.relative_to(ROOT / room).with_suffix("").parts]))
    return found


@pytest.mark.parametrize("name", modules())
def test_examples_are_true(name: str) -> None:
    tried = doctest.testmod(importlib.import_module(name))
    assert tried.attempted > 0
    assert tried.failed == 0
