"""`lilm report`: the pages of a run, and two runs on one page."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from lilm.cli.options import load_run
from lilm.commands import command
from lilm.errors import LilmError

# folders of a run, what to read first first
PAGES = ("quant", "bench", "finetune", "finetune/preference", "pretrain", "tokenizer", "corpus")
PAGE = "report.html"


def register(app: typer.Typer) -> None:
    @app.command()
    def report(
        runs: Annotated[
            list[Path] | None,
            typer.Argument(
                metavar="RUN...",
                help="A run folder, else that of the recipe here, as with `lilm run`; two with --compare.",
                show_default=False,
            ),
        ] = None,
        compare: Annotated[bool, typer.Option("--compare", help="Both runs' files in one table and chart.")] = False,
        out: Annotated[
            Path | None, typer.Option("--out", metavar="FILE", help="--compare: where to. Default: compare.html.")
        ] = None,
        open_browser: Annotated[bool, typer.Option("--open", help="Open the page, of several the first.")] = False,
    ) -> None:
        """Where a run's reports lie; with --compare, one page of two runs' files, measured on the same text.

        Examples: `lilm report runs/quickstart --open` · `lilm report --compare runs/one runs/two --out both.html`
        """
        wanted = 2 if compare else 1
        runs = runs or ([load_run("", None)[1]] if not compare and Path("lilm.toml").is_file() else [])
        if len(runs) != wanted:
            remedy = command("report", *(("--compare", "RUN_A", "RUN_B") if len(runs) > 1 or compare else ("RUN",)))
            raise LilmError(f"{len(runs)} runs, where {wanted} is meant", where="lilm report", remedy=remedy)
        if out is not None and not compare:
            raise LilmError("--out means nothing here", where="lilm report", remedy="leave it out, or give --compare")
        pages = [_compare(runs[0], runs[1], out or Path("compare.html"))] if compare else find_pages(runs[0])
        for page in pages:
            typer.echo(page)
        if open_browser:
            import webbrowser

            webbrowser.open(pages[0].resolve().as_uri())


def find_pages(run: Path) -> list[Path]:
    """The reports in a run's folder, first its own, which is made anew from what there is now. Raises LilmError when
    there is none."""
    if (run / "lilm.toml").is_file():
        from lilm.export.run_page.page import write_run_page

        with suppress(LilmError, OSError):  # no stage is done, or the run lies where nothing can be written
            write_run_page(run)
    found = [path for path in (run / PAGE, *(run / name / PAGE for name in PAGES)) if path.is_file()]
    if not found:
        what = "no report in it" if run.is_dir() else "no such folder"
        raise LilmError(what, where=str(run), remedy="give the folder of a run that has come as far as a report")
    return found


def _compare(one: Path, other: Path, out: Path) -> Path:
    from lilm.disk import write_atomic
    from lilm.export.quality.page.compare import compare_runs
    from lilm.export.quality.page.compare_page import compare_page

    if not out.parent.is_dir():
        raise LilmError("no such folder", where=str(out.parent), remedy="make it, or give another --out")
    write_atomic(out, compare_page(compare_runs(one, other)))
    return out
