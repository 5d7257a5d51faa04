"""`lilm init`, `lilm recipes`, `lilm doctor`, `lilm setup`: before the first run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lilm.errors import LilmError


def register(app: typer.Typer) -> None:
    @app.command()
    def init(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
        recipe: Annotated[str | None, typer.Option("--recipe", help="Shipped recipe to start from.")] = None,
        name: Annotated[str | None, typer.Option("--name", help="Of the model, as its page shows it.")] = None,
        lang: Annotated[str | None, typer.Option("--lang", help="Language to learn. Default: ja.")] = None,
        text: Annotated[str | None, typer.Option("--text", metavar="PATH", help="Your text: folder or file.")] = None,
        base: Annotated[
            str | None, typer.Option("--base", help="English Llama: OWNER/NAME on the hub, a GGUF file, a folder.")
        ] = None,
        leave_out: Annotated[
            bool, typer.Option("--leave-out", help="Go on without the files there that are no text (PDF, images …).")
        ] = False,
    ) -> None:
        """Write a recipe: by questions on a terminal, by --text and others for your own text, or a shipped one to edit.

        Examples: `lilm init my-model` · `lilm init my-model --name "My model" --lang ja --text texts` ·
        `lilm init my-model --recipe tinyllama-ja`
        """
        from lilm.cli import init as own

        own.require_new(folder)
        given = [
            option for option, value in (("--lang", lang), ("--text", text), ("--base", base)) if value is not None
        ]
        if recipe is not None and given:
            raise LilmError(
                f"{given[0]} and --recipe",
                where="lilm init",
                remedy=f"leave one out: {given[0]} is for a recipe of your own text, --recipe for a shipped one",
            )
        if given:
            own.write_own(folder, name, lang, text, base, leave_out)
        elif recipe is None and name is None and sys.stdin.isatty() and sys.stdout.isatty():
            own.ask(folder)
        else:
            own.write_shipped(folder, recipe or "quickstart", name)

    @app.command()
    def recipes() -> None:
        """List the shipped recipes."""
        from lilm.recipe import shipped_recipes

        for name, text in shipped_recipes().items():
            typer.echo(f"{name:15} {text.splitlines()[0].lstrip('# ')}")

    @app.command()
    def doctor(json_out: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
        """What is found, missing or too old on this machine, and the command that mends it."""
        from lilm.cli.doctor import show_findings

        raise typer.Exit(show_findings(json_out))

    @app.command()
    def setup() -> None:
        """Fetch what is missing and needs no root (Emscripten, llama.cpp's source) into LiLM's own folder; of the rest
        print the command that installs it, as `lilm doctor` does.

        Example: `lilm setup`
        """
        from lilm.cli.setup import set_up
        from lilm.progress import Reporter

        raise typer.Exit(set_up(Reporter()))
