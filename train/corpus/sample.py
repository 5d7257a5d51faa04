"""The beginning of a text, as reports show it."""

import re

_SPACE = re.compile(r"\s+")


def sample(text: str, size: int = 200) -> str:
    """The beginning of a text on one line, at most `size` characters."""
    return _SPACE.sub(" ", text[: size * 2])[:size]
