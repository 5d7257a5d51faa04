"""Long documents are cut into pieces at line ends, or at sentence ends when a line is longer."""

import re
import unicodedata
from collections.abc import Iterator

from lilm.train.corpus.punctuation import ENDS

MOST_MARKS = 32  # of one letter; Unicode's stream-safe format has 30 at most
_SENTENCE = re.compile(rf"(?<=[{ENDS}])(?=[^{ENDS}」』）)\"'])")


def pieces(text: str, max_chars: int) -> list[str]:
    """`text` in pieces of at most `max_chars` characters and of about the same length.

    Joined again they are the text, but for white space at the cuts. A sentence longer than `max_chars` is cut
    where it must be.
    """
    if len(text) <= max_chars:
        return [text]
    count = -(-len(text) // max_chars)
    target = -(-len(text) // count)  # about equal pieces, so that no tail is too short to be kept
    made: list[str] = []
    current: list[str] = []
    length = 0
    for part in _parts(text, max_chars):
        if current and (length + len(part) > max_chars or length >= target):
            made.append("".join(current))
            current, length = [], 0
        current.append(part)
        length += len(part)
    made.append("".join(current))
    return [piece for piece in (piece.strip() for piece in made) if piece]


def _parts(text: str, max_chars: int) -> list[str]:
    """Lines with their ends; of a longer line its sentences; of a longer sentence its slices."""
    parts: list[str] = []
    for line in text.splitlines(keepends=True):
        for sentence in [line] if len(line) <= max_chars else _SENTENCE.split(line):
            parts.extend(_slices(sentence, max_chars))
    return parts


def _slices(sentence: str, max_chars: int) -> Iterator[str]:
    """A long sentence in slices that end behind a space, where one has any in its second half: Thai, whose sentences
    have no mark, puts one between them. No slice begins with a mark of the letter before it, but where that has more
    than MOST_MARKS."""
    start = 0
    while len(sentence) - start > max_chars:
        found = sentence.rfind(" ", start + max_chars // 2, start + max_chars) + 1 or start + max_chars
        least = max(start + 1, found - MOST_MARKS)
        end = next((at for at in range(found, least - 1, -1) if not _is_mark(sentence[at])), found)
        yield sentence[start:end]
        start = end
    yield sentence[start:]


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")
