"""Text out of files, in Markdown: shown as it is, whatever it holds."""

import re
from collections.abc import Iterable

# A point in a number, a hyphen in a word and a colon after one are marks nowhere.
_MARKS = re.compile(r"(?!(?<=\d)\.\d|(?<=[^\W_])-[^\W_]|(?<=[^\W_]):(?:\s|$))([\\`*_{}\[\]<>()#+\-.!|~&$:@^=])")
_TICKS = re.compile(r"`+")


def plain(text: str) -> str:
    """One line that no renderer takes for marks, a link, HTML or a cell's end.

    >>> plain("a_b | <script>")
    'a\\\\_b \\\\| \\\\<script\\\\>'
    >>> plain("held-out: 1.25 bits, -1. www.x.org")
    'held-out: 1.25 bits, \\\\-1\\\\. www\\\\.x\\\\.org'
    """
    return _MARKS.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """One line of text between backticks, more of them than it holds.

    >>> code("a`b"), code("model.gguf")
    ('`` a`b ``', '`model.gguf`')
    """
    line = " ".join(text.split())
    longest = max((len(found) for found in _TICKS.findall(line)), default=0)
    ticks = "`" * (longest + 1)
    return f"{ticks} {line} {ticks}" if longest else f"{ticks}{line}{ticks}"


def block(text: str, language: str = "") -> str:
    """A block of code, between longer fences than any row of backticks in it."""
    longest = max((len(found) for found in _TICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]], right: int = 0) -> str:
    """Cells are Markdown already. right: so many of the last columns are figures."""
    heads = list(heads)
    rules = ["---"] * (len(heads) - right) + ["---:"] * right
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, rules, *map(list, rows)))
