"""A message in pieces: those that are translated, and between them what is kept, code blocks and blank lines."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from lilm.train.finetune.translate.masks import is_within, mask

LONGEST = 1_000  # characters of a piece where the text has line or sentence ends: a small model loses long texts
_BLOCK = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[^\n`]*+\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_CUTS = (
    re.compile(r"\n[ \t]*\n\s*"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?])[ \t]+|(?<=[。！？])(?![。！？」』）])"),
)
_LETTER = re.compile(r"[^\W\d_]")


class Piece(NamedTuple):
    """translated: whether a translator is asked for it; else it stays as it is."""

    text: str
    translated: bool


def pieces_of(message: str) -> list[Piece]:
    """Which, joined, are the message again. A code block that is never closed goes to the end."""
    found, start = [], 0
    for block in _BLOCK.finditer(message):
        found += [*_prose(message[start : block.start()]), Piece(block[0], False)]
        start = block.end()
    return [*found, *_prose(message[start:])]


def _prose(text: str) -> Iterator[Piece]:
    for part in _cut(text, 0):
        inner = part.strip()
        if not _LETTER.search(mask(inner).plain):
            yield Piece(part, False)
            continue
        before, _, after = part.partition(inner)
        yield from (piece for piece in (Piece(before, False), Piece(inner, True), Piece(after, False)) if piece.text)


def _cut(text: str, kind: int) -> list[str]:
    """Parts of LONGEST characters at most, as few as the cuts of this kind allow; one that is still longer is cut by
    the next kind."""
    if len(text) <= LONGEST or kind == len(_CUTS):
        return [text] if text else []
    parts, start, kept = [], 0, is_within(text)
    for cut in _CUTS[kind].finditer(text):
        if not kept(cut.end()):
            parts.append(text[start : cut.end()])
            start = cut.end()
    joined = [""]
    for part in [*parts, text[start:]]:
        if len(joined[-1]) + len(part) <= LONGEST:
            joined[-1] += part
        else:
            joined.append(part)
    return [one for part in joined for one in _cut(part, kind + 1)]
