"""What a text's lines are like: said before, left open, mere bullets.

A line without a letter or digit, such as the × between parts of a text, is no repetition."""

from lilm.train.corpus._native import line_figures
from lilm.train.corpus.rules.batch import Batch, Figures, share
from lilm.train.corpus.rules.rule import ENGLISH, JAPANESE, Rule

SHORT = 30  # characters of a short line (FineWeb)
LINES, CHARACTERS, REPEATED, REPEATED_CHARACTERS, ELLIPSIS, BULLETS, CLOSED, SHORT_LINES = range(8)


def _figures(batch: Batch) -> Figures:
    return line_figures(batch.texts, SHORT)


def _share(batch: Batch, part: int, whole: int = LINES) -> Figures:
    figures = batch.once(_figures)
    return share(figures[:, part], figures[:, whole])


def duplicate_lines(batch: Batch) -> Figures:
    return _share(batch, REPEATED)


def duplicate_line_chars(batch: Batch) -> Figures:
    return _share(batch, REPEATED_CHARACTERS, CHARACTERS)


def ellipsis_lines(batch: Batch) -> Figures:
    return _share(batch, ELLIPSIS)


def bullet_lines(batch: Batch) -> Figures:
    return _share(batch, BULLETS)


def closed_lines(batch: Batch) -> Figures:
    return _share(batch, CLOSED)


def short_lines(batch: Batch) -> Figures:
    return _share(batch, SHORT_LINES)


OPEN, BULLET = "{figure:.3f} of the lines end in an ellipsis", "{figure:.3f} of the lines begin with a bullet"
RULES = (
    Rule(
        "duplicate_lines",
        duplicate_lines,
        "max_duplicate_lines",
        "{figure:.3f} of the lines stood before",
    ),
    Rule(
        "duplicate_line_chars",
        duplicate_line_chars,
        "max_duplicate_line_chars",
        "{figure:.3f} of the characters in lines that stood before",
    ),
    Rule("ellipsis_lines", ellipsis_lines, "max_ellipsis_lines", OPEN, languages=JAPANESE, web=True),
    Rule(
        "english_ellipsis_lines",
        ellipsis_lines,
        "max_english_ellipsis_lines",
        OPEN,
        languages=ENGLISH,
    ),
    Rule("bullet_lines", bullet_lines, "max_bullet_lines", BULLET, languages=ENGLISH),
    Rule(
        "closed_lines",
        closed_lines,
        "min_closed_lines",
        "{figure:.3f} of the lines end in punctuation",
        at_least=True,
        languages=ENGLISH,
        web=True,
    ),
    Rule(
        "short_lines",
        short_lines,
        "max_short_lines",
        f"{{figure:.3f}} of the lines have {SHORT} characters or fewer",
        languages=ENGLISH,
        web=True,
    ),
)
