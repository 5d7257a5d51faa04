"""`lilm run`, and a command for each stage."""

from pathlib import Path
from typing import Annotated

import typer

from lilm.cli.options import ForceOption, Groups, RecipeOption, RunOption, load_run
from lilm.commands import command
from lilm.errors import LilmError
from lilm.pipeline.stage import STAGES


def register(app: typer.Typer) -> Groups:
    """Returns the stages' groups, to which other commands are added; the stage `bench` is one with the benchmarks."""

    @app.command()
    def run(
        slip: Annotated[str | None, typer.Argument(hidden=True)] = None,
        recipe: RecipeOption = "",
        run_dir: RunOption = None,
        first: Annotated[str | None, typer.Option("--from", help="First stage.")] = None,
        last: Annotated[str | None, typer.Option("--to", help="Last stage.")] = None,
        force: ForceOption = False,
        explain_only: Annotated[bool, typer.Option("--explain", help="Only say what would run, and why.")] = False,
        any_code: Annotated[
            bool, typer.Option("--any-code", help="What is done stays done, though LiLM has changed since it was made.")
        ] = False,
    ) -> None:
        """Run all stages, or those from --from to --to; what is up to date is skipped, what was killed goes on.

        Examples: `lilm run --recipe quickstart` · `lilm run --from export` · `lilm run --to corpus --force` ·
        `lilm run --explain`
        """

        from lilm.export.bench.summary import show_summary
        from lilm.export.run_page.page import write_run_page
        from lilm.pipeline.forecast import Times
        from lilm.pipeline.runner import chosen_stages, explain, run_stages
        from lilm.progress import Reporter, text_console

        if slip is not None:
            again = command("run", "--recipe", slip)
            raise LilmError(f"{slip!r} is no option", where="lilm run", remedy=f"name a recipe so: `{again}`")
        stages = chosen_stages(first, last)
        loaded, folder = load_run(recipe, run_dir)
        if explain_only:
            explain(loaded, folder, stages, Reporter(), any_code)
            return
        reporter = Reporter()
        run_stages(loaded, folder, stages, reporter, force, any_code, Times.of_machine())
        console = text_console(record=True)
        show_summary(folder, write_run_page(folder), console)
        reporter.write_log(console.export_text())

    return {stage.name: _add_stage(app, stage.name, stage.summary) for stage in STAGES if stage.name != "bench"}


def _add_stage(app: typer.Typer, name: str, summary: str) -> typer.Typer:
    group = typer.Typer(help=f"Stage: {summary}.", invoke_without_command=True)

    @group.callback()
    def one(
        context: typer.Context, recipe: RecipeOption = "", run_dir: RunOption = None, force: ForceOption = False
    ) -> None:
        if context.invoked_subcommand is None:
            run_one(name, recipe, run_dir, force)

    one.__doc__ = (
        f"Stage {name}: {summary}. The stages before it must be done.\n\nExample: `lilm {name} --run runs/quickstart`"
    )
    app.add_typer(group, name=name)
    return group


def run_one(name: str, recipe: str, run_dir: Path | None, force: bool) -> None:
    """Run the stage `name` alone."""
    from lilm.pipeline.forecast import Times
    from lilm.pipeline.runner import run_stages
    from lilm.pipeline.stage import stage_named
    from lilm.progress import Reporter

    loaded, folder = load_run(recipe, run_dir)
    run_stages(loaded, folder, [stage_named(name)], Reporter(), force, times=Times.of_machine())
