"""What several commands take: recipe and run folder, and how both are found."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from lilm.errors import LilmError


def to_file(parameter: typer.CallbackParam, path: Path | None) -> Path | None:
    """A file that is written at the end of the work, which may take hours. Raises LilmError where it cannot be."""
    if path is None:
        return None
    where, remedy = path.absolute().parent, f"make it, or give another {parameter.opts[0]}"
    if not where.is_dir():
        raise LilmError("no such folder", where=str(where), remedy=remedy)
    if path.is_dir():
        raise LilmError("a folder, where a file is to be written", where=str(path), remedy="give a file's name in it")
    if not os.access(where, os.W_OK):
        raise LilmError("nothing can be written there", where=str(where), remedy=remedy)
    return path


JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.", callback=to_file)]
RecipeOption = Annotated[
    str, typer.Option("--recipe", help="A shipped recipe's name or a lilm.toml. Default: RUN/lilm.toml or ./lilm.toml.")
]
RunOption = Annotated[
    Path | None,
    typer.Option("--run", help="Run folder. Default: the one that you are in, runs/NAME, or `run` beside lilm.toml."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Run again what is up to date.")]
Groups = dict[str, typer.Typer]
"""By the name of the stage whose subcommands they hold."""


def load_run(recipe: str, run_dir: Path | None) -> tuple[Any, Path]:
    """(recipe, run folder) from the two options and what lies in the current folder."""
    from lilm.pipeline.runner import LOCK
    from lilm.recipe import UnknownKeys, load_recipe

    if not recipe:
        found = [path for path in ((run_dir or Path()) / "lilm.toml", Path("lilm.toml")) if path.is_file()]
        if not found:
            raise LilmError(
                "no lilm.toml here",
                where=str(Path.cwd()),
                remedy="`lilm init DIR` writes one, or give --recipe quickstart",
            )
        recipe = str(found[0])
    try:
        loaded = load_recipe(recipe)
    except UnknownKeys as error:
        if not (Path(recipe).parent / LOCK).is_file():
            raise
        raise LilmError(
            f"keys that this LiLM does not have: {', '.join(error.keys)}",
            where=f"{recipe}, the run's own copy of its recipe, which another version wrote",
            remedy="delete them there, or give your recipe with --recipe: the copy is then written again",
        ) from error
    if run_dir is None:
        path = Path(recipe)
        if path.suffix != ".toml":
            run_dir = Path("runs") / loaded.name
        else:  # a run folder's own recipe is the one that it remembers
            run_dir = path.parent if (path.parent / LOCK).is_file() else path.parent / "run"
    return loaded, run_dir
