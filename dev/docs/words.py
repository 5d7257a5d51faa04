"""Docstrings and help texts as Markdown."""

import re

from lilm.report.markdown import plain

_CODE = re.compile(r"(`[^`]+`)")
_NAMED = re.compile(r"[*_\[\]<>|]")


def said(text: str) -> str:
    """One line: what stands between backticks as it is, of all else only what would become a mark is escaped."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return "".join(plain(letter) if _NAMED.match(letter) else letter for letter in text)


def first_and_rest(text: str) -> tuple[str, str]:
    """(the paragraphs before the one that begins with "Example", what stands in that one)."""
    parts = [part for part in re.split(r"\n\s*\n", text) if part.strip()]
    at = next((number for number, part in enumerate(parts) if part.lstrip().startswith("Example")), len(parts))
    return "\n\n".join(parts[:at]), "\n\n".join(parts[at:])
