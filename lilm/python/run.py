"""A run from Python."""

from pathlib import Path

from lilm.environment import prepare
from lilm.python.results import Run, open_run
from lilm.recipe import Recipe


def run(
    recipe: str | Path | Recipe,
    run_dir: str | Path | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
    force: bool = False,
    any_code: bool = False,
    quiet: bool = False,
) -> Run:
    """Run all stages, or those from `first` to `last`, and return what the run has then. As `lilm run`: what is up to
    date is skipped, and what was stopped, by Ctrl-C or a kill, goes on.

    recipe: a shipped one's name, the path of a lilm.toml, or one that `lilm.load_recipe` made. run_dir: by default
    runs/NAME, or for a path the folder `run` beside it. force: run again what is up to date. any_code: what older code
    of LiLM made stays. quiet: say nothing, where else progress goes to stderr; RUN/lilm.log has it in any case.

    Stages run in this process. A script calls it under `if __name__ == "__main__":`, since some start processes of
    their own, which load the script again; a notebook need not.
    Raises LilmError as the command line says it, before any work where that can be.
    """
    from lilm.cli.options import load_run
    from lilm.export.run_page.page import write_run_page
    from lilm.pipeline.forecast import Times
    from lilm.pipeline.runner import chosen_stages, run_stages
    from lilm.progress import Reporter

    prepare()
    stages = chosen_stages(first, last)
    given = Path(run_dir).expanduser() if run_dir is not None else None
    if isinstance(recipe, Recipe):
        loaded, folder = recipe, given or Path("runs") / recipe.name
    else:
        loaded, folder = load_run(str(recipe), given)
    run_stages(loaded, folder, stages, Reporter(quiet=quiet), force, any_code, Times.of_machine())
    write_run_page(folder)
    return open_run(folder)
