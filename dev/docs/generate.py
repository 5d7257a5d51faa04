"""Writes the pages of docs/ that follow from the code: `python dev/docs/generate.py`; with `--check` it only says which
of them are stale, and ends with 1 then."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # its neighbours, also where PYTHONSAFEPATH is set

from commands_page import commands_page
from recipe_page import recipe_page

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {"recipe.md": recipe_page, "commands.md": commands_page}


def stale() -> list[str]:
    """Names of the pages that the code would write otherwise."""
    return [name for name, page in PAGES.items() if not _is(DOCS / name, page())]


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main() -> None:
    if "--check" in sys.argv:
        if names := stale():
            sys.exit(f"stale: {', '.join(names)} — type: python dev/docs/generate.py")
        return
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
