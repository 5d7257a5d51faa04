"""`lilm init`, `lilm recipes`, `lilm doctor`: before the first run."""

from pathlib import Path
from typing import Annotated

import typer

from lilm.errors import LilmError


def register(app: typer.Typer) -> None:
    @app.command()
    def init(
        folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to make.")],
        recipe: Annotated[str, typer.Option("--recipe", help="Shipped recipe to start from.")] = "quickstart",
    ) -> None:
        """Write a recipe to edit.

        Example: `lilm init my-model --recipe tinyllama-ja`
        """
        from lilm.recipe import recipe_text

        text = recipe_text(recipe)
        path = folder / "lilm.toml"
        if path.exists():
            raise LilmError("there is one already", where=str(path), remedy="edit it, or give another folder")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {path}; edit it, then: cd {folder} && lilm run")

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
