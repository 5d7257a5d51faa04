"""Which stages would run, and why: `lilm run --explain`, and how long a run still takes."""

from pathlib import Path

from lilm.licences import told_licences
from lilm.pipeline.place import place_of
from lilm.pipeline.stage import Context, Stage
from lilm.pipeline.work import why_again, work_of
from lilm.progress import Reporter
from lilm.recipe import Recipe

CERTAINLY = ", since "  # before why a stage would run whatever those before it make


def make_context(recipe: Recipe, reporter: Reporter) -> Context:
    return Context(
        seed=recipe.seed,
        threads=recipe.threads,
        language=recipe.language,
        base_language=recipe.base_language,
        reporter=reporter,
        place=place_of(recipe),
        licences=told_licences(recipe),
    )


def explain(recipe: Recipe, run_dir: Path, stages: list[Stage], reporter: Reporter, any_code: bool = False) -> None:
    """Say of each stage whether `run_stages` would run it, and why. Nothing is written."""
    for name, why in would_run(recipe, run_dir, stages, make_context(recipe, reporter), any_code).items():
        reporter.say(f"{name}: up to date" if why is None else f"{name}: would run{why}")


def would_run(
    recipe: Recipe, run_dir: Path, stages: list[Stage], context: Context, any_code: bool
) -> dict[str, str | None]:
    """By stage: why it would run, None where it is up to date."""
    found: dict[str, str | None] = {}
    for stage in stages:
        before = [name for name in stage.needs(recipe) if found.get(name) is not None]
        work = work_of(stage, recipe, run_dir, context)
        reason = why_again(stage, run_dir, work, any_code) if work is not None else "it is not done"
        if reason is not None:
            found[stage.name] = f"{CERTAINLY}{reason}"
        else:
            found[stage.name] = f" if {' or '.join(before)} comes out otherwise" if before else None
    return found
