"""Runs stages in order: skips what is done, resumes what was killed, leaves nothing half-written."""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lilm.commands import command
from lilm.disk import write_atomic
from lilm.download import cached_path
from lilm.errors import LilmError
from lilm.memory import trim_memory
from lilm.pipeline.artifact import Artifact, Manifest, changed_output, describe_outputs, read_manifest
from lilm.pipeline.explain import CERTAINLY, explain, make_context, would_run
from lilm.pipeline.forecast import Forecast, Times
from lilm.pipeline.foreign import bring_back, foreign_files, put_aside
from lilm.pipeline.hashing import sha256_json
from lilm.pipeline.made_by import libraries_of
from lilm.pipeline.packages import check_packages
from lilm.pipeline.stage import STAGES, Context, Stage, stage_named
from lilm.pipeline.work import Work, why_again, work_of
from lilm.progress import Reporter, clock
from lilm.recipe import Recipe, load_recipe, recipe_toml
from lilm.temporary import remove_orphans

WORK = ".work"  # unfinished stage folders, inside the run folder
RECIPE = "lilm.toml"  # the run's own copy
LOG = "lilm.log"  # what the screen said, with times
LOCK = ".lock"  # every run folder has one, from its first moment on
CHECKPOINTS = "checkpoints"  # a stage's resume state; never part of its output


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the run folder for this process. The lock goes with the process, however it ends."""
    import fcntl  # Windows has none

    with (run_dir / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LilmError(
                "another lilm works in this run folder", where=str(run_dir), remedy="wait for it, or use --run OTHER"
            ) from error
        yield


def check_stages(hook: str, stages: list[Stage], recipe: Recipe, context: Context, *made: Path) -> None:
    """Call `hook` of each stage that has it, where all of `made`, which it looks at, is there: what a stage could not
    work with is said before hours are spent on it.

    hook: "check", "check_remote", "check_base" or "check_vocabulary", see Stage. Raises LilmError for what the user
    must mend.
    """
    for stage in stages:
        check = getattr(stage.load(), hook, None)
        if check is not None and all(path.exists() for path in made):
            check(getattr(recipe, stage.name), *made, context)


def finish(stage: Stage, work: Work, folder: Path, final: Path, artifact: Artifact) -> list[str]:
    """Turn the work folder into the stage's folder; the manifest is written last. Returns what somebody else had put
    into either, which stays."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    manifest = Manifest(
        stage.name,
        work.key(stage),
        work.config,
        work.inputs,
        describe_outputs(folder, artifact.volatile, stage.outputs),
        artifact.volatile,
        artifact.measurements,
        work.code,
        libraries_of(stage.module),
    )
    manifest.write(folder)
    foreign = foreign_files(folder)
    if final.exists():
        put_aside(final, _aside(final))
    folder.rename(final)
    return [*foreign, *settle(final)]


def settle(final: Path) -> list[str]:
    """Put back what was foreign in the folder that this one replaced, also after a kill; returns its names."""
    aside = _aside(final)
    return bring_back(aside, final) if final.exists() and (aside.exists() or aside.is_symlink()) else []


def _aside(final: Path) -> Path:
    return final.parent / WORK / f"old-{final.name}"


def is_disk_full(error: BaseException | None) -> bool:
    """Whether the disk was full; safetensors and others wrap the system's error, or only quote it."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "os error 28" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def run_stage(
    stage: Stage,
    recipe: Recipe,
    run_dir: Path,
    context: Context,
    force: bool = False,
    any_code: bool = False,
    forecast: Forecast | None = None,
) -> bool:
    """Run one stage unless it is done. Returns whether it ran.

    any_code: as for `why_again`; a killed try of other code is gone on with too. forecast: of the whole
    run, to which the stage is told. Raises LilmError when a stage it needs is missing, or for whatever the user must
    mend; the run folder is then as it was, but for checkpoints, which a next try goes on from.
    """
    work = work_of(stage, recipe, run_dir, context)
    if work is None:
        missing = next(n for n in stage.needs(recipe) if read_manifest(run_dir / n) is None)
        raise LilmError(
            f"stage {stage.name} needs {missing}, which is not done",
            where=str(run_dir),
            remedy=f"run `{command('run', '--run', run_dir, '--to', stage.name)}`",
        )
    final = run_dir / stage.name
    _say_kept(stage, settle(final), context.reporter)
    reason = why_again(stage, run_dir, work, any_code)
    if reason is None and not force:
        return False
    for name in stage.needs(recipe):
        manifest = read_manifest(run_dir / name)
        broken = manifest and changed_output(run_dir / name, manifest)
        if broken:
            raise LilmError(
                f"{broken} is not what stage {name} wrote (its hash differs or it is gone)",
                where=str(run_dir / name),
                remedy=f"run `{command('run', '--run', run_dir, '--from', name)}`",
            )

    folder = _work_folder(stage, run_dir, work, any_code)
    for stale in (run_dir / WORK).glob(f"{stage.name}-*"):
        if stale != folder or force:
            shutil.rmtree(stale)
    resumed = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    again = f", again: {reason}" if reason is not None and final.exists() else ""
    place = forecast.begin(stage.name) if forecast is not None else ""
    context.reporter.say(f"{stage.name}{place}: {stage.summary}" + again + (" (resumed)" if resumed else ""))
    started = time.monotonic()
    try:
        folders = {name: run_dir / name for name in stage.needs(recipe)} | stage.found_beside(run_dir)
        artifact = stage.load().run(getattr(recipe, stage.name), folders, folder, context)
        seconds = time.monotonic() - started
        took = {"seconds": round(seconds, 2), **({"resumed": True} if resumed else {})}
        timed = Artifact({**artifact.measurements, **took}, artifact.volatile)
        _say_kept(stage, finish(stage, work, folder, final, timed), context.reporter)
    except Exception as error:
        full = is_disk_full(error)
        if (full or isinstance(error, LilmError)) and not any((folder / CHECKPOINTS).glob("*")):
            shutil.rmtree(folder, ignore_errors=True)
        if full:
            raise LilmError(
                "no space left on the disk", where=str(run_dir), remedy="free some space and start again"
            ) from error
        raise
    trim_memory()  # the next stage may need it, or have a child that does
    context.reporter.say(f"{stage.name}: done in {clock(seconds)}")
    if forecast is not None and not resumed:
        forecast.times.note(stage.name, recipe, seconds)
    return True


def _say_kept(stage: Stage, names: list[str], reporter: Reporter) -> None:
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        reporter.say(f"{stage.name}: what the stage did not write stays in its folder: {names[0]}{more}")


def _work_folder(stage: Stage, run_dir: Path, work: Work, any_code: bool) -> Path:
    """Where exactly this work is done, by exactly this code."""
    name = f"{stage.name}-{work.key(stage)[:16]}"
    found = sorted((run_dir / WORK).glob(f"{name}-*")) if any_code else []
    return found[0] if found else run_dir / WORK / f"{name}-{sha256_json(work.code)[:8]}"


def chosen_stages(first: str | None, last: str | None) -> list[Stage]:
    names = [stage.name for stage in STAGES]
    for option, name in (("--from", first), ("--to", last)):
        if name is not None and name not in names:
            raise LilmError(f"no stage {name!r}", where=option, remedy="use one of: " + ", ".join(names))
    start = names.index(first) if first else 0
    stop = names.index(last) if last else len(names) - 1
    if start > stop:
        raise LilmError(
            f"{first} comes after {last}", where="--from/--to", remedy="stages run in this order: " + ", ".join(names)
        )
    return list(STAGES[start : stop + 1])


def remember(recipe: Recipe, path: Path) -> None:
    """Keep the recipe in the run folder, so that later commands need only --run; a file that says the same already is
    not touched: it may be the user's own, with comments."""
    if not path.is_file() or _said_in(path) != recipe:  # whatever it holds
        write_atomic(path, recipe_toml(recipe))


def _base_stays(
    recipe: Recipe, run_dir: Path, stages: list[Stage], context: Context, force: bool, any_code: bool
) -> bool:
    """Whether the base in the run folder is the one that `stages` will read: another one that will take its place tells
    nothing of it."""
    own = [stage for stage in stages if stage.name == "base"]
    again = would_run(recipe, run_dir, own, context, any_code)
    return not own or not (force or (again["base"] or "").startswith(CERTAINLY))


def _said_in(path: Path) -> Recipe | None:
    """None for what is no recipe."""
    try:
        return load_recipe(path)
    except LilmError:
        return None


def require_own_folder(recipe: Recipe, run_dir: Path) -> None:
    """Raises LilmError where `remember` would write over a recipe that no run left: `lilm init` wrote it, or somebody,
    and its comments are nowhere else."""
    path = run_dir / RECIPE
    if not path.is_file() or (run_dir / LOCK).is_file():
        return
    found = _said_in(path)
    if found == recipe or (found is not None and path.read_bytes() == recipe_toml(found).encode()):
        return
    raise LilmError(
        "a recipe lies there that is another one and no run's own copy: it would be written over",
        where=str(path),
        remedy="give another folder by --run, or that recipe by --recipe",
    )


def run_stages(
    recipe: Recipe,
    run_dir: Path,
    stages: list[Stage],
    reporter: Reporter,
    force: bool = False,
    any_code: bool = False,
    times: Times | None = None,
) -> list[str]:
    """Run `stages` in `run_dir`, in order, but a base that needs no text first: what it cannot be is then said before
    the hours that the text may take. Returns the names of those that had work to do. any_code: as `run_stage`.

    times: of this machine. With them the reporter says how long the run still takes, and keeps a log in the run folder.
    """
    if os.name == "nt":
        raise LilmError("runs need file locks that Windows lacks", where="lilm run", remedy="run LiLM in WSL")
    stages = sorted(stages, key=lambda stage: stage.name != "base" or bool(stage.needs(recipe)))
    context = make_context(recipe, reporter)
    check_packages(recipe, stages)
    check_stages("check", stages, recipe, context)
    given = Path(recipe.base.path) if recipe.base.path else run_dir / "base"
    if given != run_dir / "base" or _base_stays(recipe, run_dir, stages, context, force, any_code):
        check_stages("check_base", stages, recipe, context, given)
    vocabulary = run_dir / "base", run_dir / "tokenizer"
    if all(stage.name != "tokenizer" for stage in stages):  # else it may be made anew
        check_stages("check_vocabulary", stages, recipe, context, *vocabulary)
    require_own_folder(recipe, run_dir)
    created, held = not run_dir.exists(), False
    run_dir.mkdir(parents=True, exist_ok=True)
    ran: list[str] = []
    try:
        with locked(run_dir):
            held = True
            remove_orphans()
            remember(recipe, run_dir / RECIPE)
            would = would_run(recipe, run_dir, stages, context, any_code)
            certain = [one for one in stages if force or (would[one.name] or "").startswith(CERTAINLY)]
            check_stages("check_remote", certain, recipe, context)
            if recipe.base.url and any(stage.name == "base" for stage in certain):  # it is fetched now
                check_stages("check_base", stages, recipe, context, cached_path(recipe.base.url))
            forecast = None
            if times is not None:
                reporter.log = run_dir / LOG
                forecast = Forecast(
                    times, recipe, run_dir, stages, [one for one in stages if force or would[one.name] is not None]
                )
                reporter.in_all = forecast.left
                if len(stages) > 1 and not forecast.knows_training:
                    plan = command("plan", "here", "--recipe", run_dir / RECIPE)
                    reporter.say(f"how long it takes is not known on this machine yet; to reckon it: {plan}")
            for stage in stages:
                if run_stage(stage, recipe, run_dir, context, force, any_code, forecast):
                    ran.append(stage.name)
                    if stage.name == "base" and given == run_dir / "base":
                        check_stages("check_base", stages, recipe, context, given)
                else:
                    reporter.say(f"{stage.name}: up to date")
                if forecast is not None:
                    forecast.end(stage.name)
                if stage.name == "tokenizer":
                    check_stages("check_vocabulary", stages, recipe, context, *vocabulary)
    except LilmError as error:
        reporter.write_log(f"lilm: {error.line()}")
        if created and held and not ran and not any((run_dir / WORK).glob("*")):
            reporter.log = None
            shutil.rmtree(run_dir)
        raise
    except BaseException as error:  # Ctrl-C too
        reporter.write_log(f"stopped by {type(error).__name__}: {error}")
        raise
    return ran


__all__ = ["chosen_stages", "explain", "make_context", "run_stages", "stage_named"]
