"""The commands around the exported files that are no stage."""

import re
from pathlib import Path
from typing import Annotated

import typer

from lilm.cli.options import Groups
from lilm.errors import LilmError

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def register(groups: Groups) -> None:
    """`lilm export remake` and `lilm export hub`."""

    @groups["export"].command()
    def remake(
        recipe: Annotated[Path, typer.Argument(metavar="RECIPE.json", help="The recipe.json beside the files.")],
        full: Annotated[Path, typer.Argument(metavar="F16.gguf", help="The F16 file, or the first of its parts.")],
        out: Annotated[Path, typer.Option("--out", help="Folder for the files.")],
        only: Annotated[list[str] | None, typer.Option("--only", help="Only this file; may be given again.")] = None,
        run_dir: Annotated[
            Path | None, typer.Option("--run", help="The run's folder, where blocks are to be learnt again.")
        ] = None,
    ) -> None:
        """Make the quantised files again, byte for byte, from the F16 file, and say which came out.

        Example: `lilm export remake export/recipe.json export/model-f16.gguf --out again --only model-Q4_0.gguf`
        """
        from lilm.export.remake import remake as remake_files
        from lilm.progress import Reporter

        for path in remake_files(recipe, full, out, Reporter(), only or (), run_dir):
            typer.echo(path)

    @groups["export"].command()
    def hub(
        run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
        out: Annotated[Path | None, typer.Option("--out", help="Folder to make. Default: RUN/hub.")] = None,
        repo: Annotated[str, typer.Option("--repo", help="OWNER/NAME that it will have on the hub.")] = "",
    ) -> None:
        """A folder for the Hugging Face hub: GGUF files, the model for transformers, a model card. Nothing is uploaded.

        Example: `lilm export hub runs/quickstart --repo me/my-model`
        """
        from lilm.export.hub_folder import make_hub_folder
        from lilm.progress import Reporter

        if repo and not REPO.fullmatch(repo):
            raise LilmError(f"{repo!r} is no name on the hub", where="--repo", remedy="write it as OWNER/NAME")
        make_hub_folder(run_dir, out or run_dir / "hub", repo, Reporter())
