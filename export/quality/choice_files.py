"""Files of multiple choice that lie on the disk: JGLUE's JCommonsenseQA and JMMLU, or any in one of their forms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.export.quality.csv_rows import csv_rows
from lilm.train.finetune.entries import entries

LETTERS = "ABCD"
FORMS = "JSON Lines with question, choice0, choice1, …, label; or CSV with question, four choices, A to D"


def read_choices(path: Path) -> list[dict[str, Any]]:
    """{"question", "choices", "gold": the right choice's index} of each question.

    JCommonsenseQA's form (JSON Lines) and JMMLU's (CSV without a heading). Raises LilmError naming the line that has
    neither form, or when there is no question at all.
    """
    found = list(_csv(path) if path.suffix.lower() == ".csv" else _json_lines(path))
    if not found:
        raise LilmError("no question in it", where=str(path), remedy=f"give a file of {FORMS}")
    return found


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for one in entries(path):
        if isinstance(one, LilmError):
            raise one
        where, entry = one
        choices: list[Any] = []
        while f"choice{len(choices)}" in entry:
            choices.append(entry[f"choice{len(choices)}"])
        yield _checked(entry.get("question"), choices, entry.get("label"), where)


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    for where, row in csv_rows(path):
        if len(row) != 2 + len(LETTERS):
            raise LilmError(f"{len(row)} columns", where=where, remedy=f"it needs {FORMS}")
        question, *choices, letter = (cell.strip() for cell in row)
        yield _checked(question, choices, LETTERS.find(letter) if len(letter) == 1 else letter, where)


def _checked(question: Any, choices: list[Any], gold: Any, where: str) -> dict[str, Any]:
    for text in (question, *choices):
        if not isinstance(text, str) or not text.strip():
            raise LilmError("a question or a choice is missing or no text", where=where, remedy=f"it needs {FORMS}")
    if len(choices) < 2:
        raise LilmError(f"{len(choices)} choices", where=where, remedy=f"it needs {FORMS}")
    if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(choices):
        what = f"which choice is right is not said ({gold!r})"
        raise LilmError(what, where=where, remedy=f"it needs {FORMS}")
    return {"question": question.strip(), "choices": choices, "gold": gold}
