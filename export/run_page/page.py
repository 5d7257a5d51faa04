"""The page itself, and where it is written."""

from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.disk import write_atomic
from lilm.export.run_page.collect import RunFigures, read_run
from lilm.export.run_page.quality import base_language_sentence, quality_rows, same_text, shipped
from lilm.export.run_page.stages import broken, drops, stage_rows
from lilm.report.languages import language_name
from lilm.report.page import render_page
from lilm.report.units import count, duration, size

NAME = "report.html"
SAMPLES = 4
OTHER_PAGES = (("quant/report.html", "what each file is worth"), ("tokenizer/report.html", "the vocabulary"))


def write_run_page(folder: Path) -> Path:
    """RUN/report.html, made anew from what the run holds now. Raises LilmError as `read_run`."""
    path = folder / NAME
    write_atomic(path, run_page(read_run(folder)))
    return path


def run_page(run: RunFigures) -> str:
    """The whole page; it needs nothing else but the pages that it links to, and all text out of files is escaped."""
    rows = stage_rows(run)
    advice, rule = shipped(run)
    return render_page(
        "lilm.export.run_page",
        "run.html.jinja",
        {"language": language_name, "size": size, "count": count, "duration": duration},
        title=run.recipe.site.title,
        name=run.recipe.name,
        languages=run.languages,
        stages=rows,
        seconds=sum(row.seconds for row in rows),
        bytes=sum(row.bytes for row in rows),
        quality=quality_rows(run),
        same_text=same_text(run),
        sentence=base_language_sentence(run),
        advice=advice,
        rule=rule,
        by_quant=run.quant is not None,
        drops=drops(run),
        broken=broken(run),
        samples=_samples(run, advice[0].file if advice else ""),
        others=[(page, _of_which(run, page, words)) for page, words in OTHER_PAGES if (run.folder / page).is_file()],
        again=command("run", "--run", run.folder),
    )


def _of_which(run: RunFigures, page: str, words: str) -> str:
    stale = page.startswith("quant/") and run.quant is None
    return f"{words}: of other files than the export has now" if stale else words


def _samples(run: RunFigures, chosen: str) -> list[dict[str, Any]]:
    """What the file to ship says, else the first one; chats first."""
    files = run.reports.get("bench", {}).get("files")
    files = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    file = next((one for one in files if chosen in (one.get("name"), one.get("quant"))), files[0] if files else {})
    found = [one for one in file.get("samples", []) if isinstance(one, dict) and "text" in one]
    return sorted(found, key=lambda one: one.get("kind") != "chat")[:SAMPLES]
