"""The page on which people look at the doubtful translations."""

from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.report.languages import language_name
from lilm.report.page import render_page
from lilm.train.finetune.translate.summary import Summary


def write_page(path: Path, name: str, summary: Summary, made_of: dict[str, Any]) -> None:
    """One HTML file that needs nothing else. name: of the file of chats. made_of: the manifest's head."""
    rows, translator = summary.lowest, made_of["translator"]
    values: dict[str, Any] = {
        "name": name,
        "translator": translator.get("model") or ", ".join(translator.get("gguf", ())),
        **{key: language_name(made_of[key]) for key in ("language", "base_language")},
        "counts": summary.counts(),
        "failures": summary.failures,
        "rows": rows,
        "with_old": any(row.old for row in rows),
        "with_backs": any(row.score is not None for row in rows),
    }
    write_atomic(path, render_page(__package__ or "", "page_of_chats.html.jinja", **values))
