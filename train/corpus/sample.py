"""The beginning of a text, as reports show it."""

import re
from collections.abc import Sequence

_SPACE = re.compile(r"\s+")


def sample(text: str, size: int = 200) -> str:
    """The beginning of a text on one line, at most `size` characters."""
    return _SPACE.sub(" ", text[: size * 2])[:size]


BEFORE = 40  # characters of the text that are shown before the first mark


def marked(text: str, spans: Sequence[tuple[int, int]], size: int = 200) -> tuple[str, list[tuple[int, int]]]:
    """A text on one line, at most `size` characters, and where in these the spans [start, end) of `text` are. It is
    the beginning, or, where the first span stands further on, what is around that.

    >>> marked("a b\\n\\nc", [(5, 6)])
    ('a b c', [(4, 5)])
    """
    start = 0 if not spans or spans[0][1] <= size else max(0, spans[0][0] - BEFORE)
    window = text[start : start + 2 * size]
    shown = ["…"] if start else []
    places: list[int] = []  # of each character of the window among the shown
    for at, letter in enumerate(window):
        if not (_SPACE.match(letter) and at and _SPACE.match(window[at - 1])):
            shown.append(" " if _SPACE.match(letter) else letter)
        places.append(len(shown) - 1)
    marks = []
    for first, last in spans:
        inside = places[max(0, first - start) : max(0, last - start)]
        if inside and inside[0] < size:
            marks.append((inside[0], min(inside[-1] + 1, size)))
    return "".join(shown)[:size], marks
