"""Questions from a file, answered greedily by each model file: for people, or another model, to judge."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.errors import LilmError
from lilm.export.quality.csv_rows import csv_rows
from lilm.llamacpp.engine import Engine
from lilm.train.finetune.entries import entries

KEYS = ("turns", "input", "question", "text", "instruction")  # ja-vicuna-qa; ELYZA-tasks-100; Rakuda; others
REMEDY = "leave --questions out, or mend finetune.template and run again"
NAMES = ("question_id", "id", "qid")


@dataclass(frozen=True)
class Question:
    """turns: what the user says, one after another; each but the first after an answer."""

    name: str
    turns: tuple[str, ...]


def read_questions(path: Path) -> list[Question]:
    """JSON Lines, one JSON list, Parquet, or CSV with a heading, as of ELYZA-tasks-100. Raises LilmError naming
    the line where there is no question, or none at all."""
    if not path.is_file():
        raise LilmError("no such file", where=str(path), remedy="correct --questions")
    found: list[Question] = []
    for one in _csv(path) if path.suffix.lower() == ".csv" else entries(path):
        if isinstance(one, LilmError):
            raise one
        where, entry = one
        key = next((key for key in KEYS if entry.get(key)), None)
        turns = entry.get(key) if key else None
        if key == "input" and isinstance(entry.get("instruction"), str) and isinstance(turns, str):
            turns = f"{entry['instruction']}\n{turns}".lstrip()  # as in training
        said = [turns] if isinstance(turns, str) else turns
        if not isinstance(said, list) or not all(isinstance(turn, str) and turn.strip() for turn in said):
            what, remedy = f"no question in it (found {', '.join(entry)})", f"it needs one of {', '.join(KEYS)}"
            raise LilmError(what, where=where, remedy=remedy)
        name = next((str(entry[key]) for key in NAMES if key in entry), str(len(found) + 1))
        found.append(Question(name, tuple(said)))
    if not found:
        raise LilmError("no question in it", where=str(path), remedy="give a file with one question a line")
    return found


def _csv(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row by the names that the first one has."""
    rows = csv_rows(path)
    names = next((row for _, row in rows), [])
    if not {*KEYS} & {*names}:
        what = f"no question in it (found {', '.join(names)})"
        raise LilmError(what, where=f"{path}:1", remedy=f"its first line needs one of {', '.join(KEYS)}")
    for where, row in rows:
        if row:  # an empty line
            yield where, dict(zip(names, row, strict=False))


def answer(
    engine: Engine, questions: Sequence[Question], n_predict: int, n_ctx: int, on_answer: Callable[[int], None]
) -> list[dict[str, Any]]:
    """{"question_id", "turns", "answers"} of each, through the file's own template, greedily. An answer is None where
    the question does not fit n_ctx tokens. Raises LilmError where the file has no template, or that refuses a question.
    """
    found = []
    for question in questions:
        messages: list[Mapping[str, str]] = []
        answers: list[str | None] = []
        for turn in question.turns:
            messages.append({"role": "user", "content": turn})
            try:
                ids = engine.tokenize_chat([dict(message) for message in messages])
            except ValueError as error:
                raise LilmError(f"it cannot be asked: {error}", where=str(engine.model), remedy=REMEDY) from error
            room = min(n_predict, n_ctx - len(ids))
            said = engine.greedy(ids, room).text if room > 0 else None
            answers.append(said)
            messages.append({"role": "assistant", "content": said or ""})
        found.append({"question_id": question.name, "turns": list(question.turns), "answers": answers})
        on_answer(1)
    return found


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """JSON Lines, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
