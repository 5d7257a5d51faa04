"""What plain text is marked up with: a model learns to write the marks as it learns the words."""

import re
from collections.abc import Iterable
from pathlib import Path

from lilm.train.corpus.sources.detect import detect, glance
from lilm.train.corpus.sources.registry import listed

LOOKED_AT = 1_000  # files whose first bytes are read
LEAST = 3  # marks that make a file a marked-up one: fewer may be what it tells of
EVERY = 2_000  # characters, that have one mark at least
_MARKS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("subtitles with times", re.compile(r"(?m)^\s*(?:\d+:)?\d\d:\d\d[.,]\d{3} --> ")),
    ("translations of a program", re.compile(r'(?m)^msg(?:id|str)(?:\[\d\])? "')),
    ("LaTeX", re.compile(r"\\(?:begin|end|documentclass|chapter|(?:sub)*section|emph|text\w\w|cite|ref|item)\b")),
    ("tags of HTML", re.compile(r"</?(?:p|div|br|span|a|b|i|em|strong|li|ul|ol|td|tr|h[1-6]|ruby|rt|rb|rp)\b[^<>]*>")),
    ("wiki markup", re.compile(r"\[\[[^\[\]\n]+\]\]|'''|(?m:^==+ ?[^=\n]+ ?==+$)|\{\{[^{}]+\}\}")),
    (
        "Markdown",
        re.compile(r"(?m)^#{1,6} \S|\]\([^\s()]+\)|\*\*[^*\n]+\*\*|^```|^\|(?: ?:?-+:? ?\|)+ *$"),
    ),
)


def marks_in(text: str) -> str:
    """What the text is marked up with most, "" where it is plain.

    >>> marks_in("<p>猫</p><p>犬</p>"), marks_in("# 猫\\n\\n**犬** [鳥](a.html)"), marks_in("猫と犬。")
    ('tags of HTML', 'Markdown', '')
    """
    counts = {name: len(pattern.findall(text)) for name, pattern in _MARKS}
    most = max(counts, key=lambda name: counts[name])
    return most if counts[most] >= max(LEAST, len(text) / EVERY) else ""


def said_of_marks(paths: Iterable[Path]) -> str:
    """In words, of files that are read as plain text, which of them have marks; "" where none has."""
    found = []
    for path in list(paths)[:LOOKED_AT]:
        try:
            if detect(path).format == "text" and (marks := marks_in(glance(path))):
                found.append(f"{path.name} ({marks})")
        except OSError:
            continue
    if not found:
        return ""
    return (
        f"{len(found)} file{'s have' if len(found) > 1 else ' has'} marks, which are learnt as text: {listed(found)}; "
        "take them out unless the model is to write them"
    )
