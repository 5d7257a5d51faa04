"""The command line. Each command imports what it needs only when it is called, so `--help` answers at once."""

import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lilm import __version__
from lilm.checkout import require_links
from lilm.cli import begin, bench, export, finetune, fit, learn, report, stages, talk, wasm
from lilm.commands import as_typed, remember_program
from lilm.environment import prepare
from lilm.errors import LilmError

TYPERS_CODE = 130  # typer ends so, and says nothing, where a KeyboardInterrupt comes through


def make_app() -> typer.Typer:
    """Returns the command line with all its commands."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        help="""Text in your language and an English Llama in; a model for phones and browsers out.

        Examples:

        - `lilm run --recipe quickstart` — everything, on made-up stories, in minutes

        - `lilm init my-model --recipe tinyllama-ja` — a recipe to edit; then `cd my-model && lilm run`

        - `lilm serve runs/quickstart` — the page; `lilm chat runs/quickstart/export/model-Q4_K_M.gguf` — Gradio
        """,
    )

    groups = stages.register(app)
    bench.register(app)
    learn.register(app, groups)
    finetune.register(groups)
    export.register(groups)
    wasm.register(groups)
    begin.register(app)
    talk.register(app)
    fit.register(app)
    report.register(app)

    @app.callback(invoke_without_command=True)
    def options(version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False) -> None:
        if version:
            typer.echo(__version__)
            raise typer.Exit

    return app


def main() -> None:
    """Entry point: a LilmError is one line and exit code 2; so is what the system refused and nobody foresaw, whose
    traceback goes to a file. Anything else keeps its traceback."""
    remember_program()
    prepare()
    stopped = _stop_by_signals()
    try:
        require_links(Path(__file__).parents[1])
        make_app()()
    except LilmError as error:
        _end(error)
    except (OSError, RecursionError, MemoryError) as error:
        from lilm.cli.unforeseen import unforeseen

        _end(unforeseen(error))
    except SystemExit as end:
        if end.code != TYPERS_CODE or not stopped:
            raise
        typer.echo("lilm: stopped; the same command goes on from here", err=True)
        sys.exit(128 + stopped[0])


def _end(error: LilmError) -> NoReturn:
    typer.echo(f"lilm: {as_typed(error.line())}", err=True)
    sys.exit(2)


def _stop_by_signals() -> list[int]:
    """Let Ctrl-C and SIGTERM end the work in the same way, so that child processes and temporary folders go with it.
    Returns the list that the signals come into."""
    stopped: list[int] = []

    def stop(number: int, frame: object) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup and others want it ignored
            signal.signal(number, stop)
    return stopped
