"""Runs stages in order: skips what is done, resumes what was killed, leaves nothing half-written."""

import errno
import fcntl
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lilm.artifact import MANIFEST, Artifact, Manifest, changed_output, describe_outputs, read_manifest
from lilm.errors import LilmError
from lilm.hashing import sha256_json, write_atomic
from lilm.progress import Reporter, clock
from lilm.recipe import Recipe, recipe_toml
from lilm.stage import STAGES, Context, Stage, stage_named

WORK = ".work"  # unfinished stage folders, inside the run folder
LOCK = ".lock"  # every run folder has one, from its first moment on
CHECKPOINTS = "checkpoints"  # a stage's resume state; never part of its output


def make_context(recipe: Recipe, reporter: Reporter) -> Context:
    return Context(
        seed=recipe.seed,
        threads=recipe.threads,
        language=recipe.language,
        base_language=recipe.base_language,
        reporter=reporter,
    )


@contextmanager
def locked(run_dir: Path) -> Iterator[None]:
    """Hold the run folder for this process. The lock goes with the process, however it ends."""
    with (run_dir / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LilmError(
                "another lilm works in this run folder", where=str(run_dir), remedy="wait for it, or use --run OTHER"
            ) from error
        yield


def stage_config(stage: Stage, recipe: Recipe) -> dict[str, Any]:
    """All recipe values that the stage's output depends on, as JSON."""
    config = getattr(recipe, stage.name)
    section = config.model_dump(mode="json", exclude=set(config.unhashed))
    return {**{key: getattr(recipe, key) for key in stage.shared}, stage.name: section}


def stage_inputs(stage: Stage, recipe: Recipe, run_dir: Path, context: Context) -> dict[str, Any] | None:
    """Fingerprints of what the stage reads, or None when a stage before it is not done."""
    inputs: dict[str, Any] = {}
    for name in stage.needs(recipe):
        manifest = read_manifest(run_dir / name)
        if manifest is None:
            return None
        inputs[name] = manifest.digest
    external = getattr(stage.load(), "external", None)
    if external is not None:
        inputs["external"] = external(getattr(recipe, stage.name), context)
    return inputs


def work_key(stage: Stage, config: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    return sha256_json({"stage": stage.name, "config": config, "inputs": inputs})


def is_done(stage: Stage, run_dir: Path, key: str) -> bool:
    manifest = read_manifest(run_dir / stage.name)
    return manifest is not None and manifest.key == key and changed_output(run_dir / stage.name, manifest) is None


def check_all(stages: list[Stage], recipe: Recipe, context: Context) -> None:
    """Everything a user can have got wrong that is visible before the work: nothing is written yet."""
    for stage in stages:
        check = getattr(stage.load(), "check", None)
        if check is not None:
            check(getattr(recipe, stage.name), context)


def check_base(stages: list[Stage], recipe: Recipe, base: Path, context: Context) -> None:
    """Everything about the base that a later stage could not use, before hours of work are spent on it."""
    for stage in stages:
        check = getattr(stage.load(), "check_base", None)
        if check is not None and base.exists():
            check(getattr(recipe, stage.name), base, context)


def finish(stage: Stage, work: Path, final: Path, artifact: Artifact, key: str, config: Any, inputs: Any) -> None:
    """Turn the work folder into the stage's folder; the manifest is written last."""
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
    outputs = describe_outputs(work, artifact.volatile)
    manifest = Manifest(stage.name, key, config, inputs, outputs, artifact.volatile, artifact.measurements)
    if final.exists():
        (final / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(final)
    manifest.write(work)
    work.rename(final)


def is_disk_full(error: BaseException | None) -> bool:
    """Whether the disk was full; safetensors and others wrap the system's error, or only quote it."""
    while error is not None:
        if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "os error 28" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def run_stage(stage: Stage, recipe: Recipe, run_dir: Path, context: Context, force: bool = False) -> bool:
    """Run one stage unless it is done. Answers whether it ran.

    Raises LilmError when a stage it needs is missing, or for whatever the user must mend; the run folder
    is then as it was, but for checkpoints, which a next try goes on from.
    """
    config = stage_config(stage, recipe)
    inputs = stage_inputs(stage, recipe, run_dir, context)
    if inputs is None:
        missing = next(n for n in stage.needs(recipe) if read_manifest(run_dir / n) is None)
        raise LilmError(
            f"stage {stage.name} needs {missing}, which is not done",
            where=str(run_dir),
            remedy=f"run `lilm run --run {run_dir} --to {stage.name}`",
        )
    key = work_key(stage, config, inputs)
    final = run_dir / stage.name
    if not force and is_done(stage, run_dir, key):
        return False
    for name in stage.needs(recipe):
        manifest = read_manifest(run_dir / name)
        broken = manifest and changed_output(run_dir / name, manifest)
        if broken:
            raise LilmError(
                f"{broken} is not what stage {name} wrote (its hash differs or it is gone)",
                where=str(run_dir / name),
                remedy=f"run `lilm run --run {run_dir} --from {name}`",
            )

    work = run_dir / WORK / f"{stage.name}-{key[:16]}"
    for stale in (run_dir / WORK).glob(f"{stage.name}-*"):
        if stale != work or force:
            shutil.rmtree(stale)
    resumed = work.exists()
    work.mkdir(parents=True, exist_ok=True)
    context.reporter.say(f"{stage.name}: {stage.summary}" + (" (resumed)" if resumed else ""))
    started = time.monotonic()
    try:
        folders = {name: run_dir / name for name in stage.needs(recipe)}
        artifact = stage.load().run(getattr(recipe, stage.name), folders, work, context)
        seconds = time.monotonic() - started
        timed = Artifact({**artifact.measurements, "seconds": round(seconds, 2)}, artifact.volatile)
        finish(stage, work, final, timed, key, config, inputs)
    except Exception as error:
        full = is_disk_full(error)
        if (full or isinstance(error, LilmError)) and not any((work / CHECKPOINTS).glob("*")):
            shutil.rmtree(work, ignore_errors=True)
        if full:
            raise LilmError(
                "no space left on the disk", where=str(run_dir), remedy="free some space and start again"
            ) from error
        raise
    context.reporter.say(f"{stage.name}: done in {clock(seconds)}")
    return True


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
    """Keep the recipe in the run folder, so that later commands need only --run; unchanged is not touched."""
    text = recipe_toml(recipe)
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomic(path, text)


def run_stages(
    recipe: Recipe, run_dir: Path, stages: list[Stage], reporter: Reporter, force: bool = False
) -> list[str]:
    """Run `stages` in `run_dir`, in order. Answers the names of those that had work to do."""
    context = make_context(recipe, reporter)
    check_all(stages, recipe, context)
    given = Path(recipe.base.path) if recipe.base.path else run_dir / "base"
    check_base(stages, recipe, given, context)
    created = not run_dir.exists()
    run_dir.mkdir(parents=True, exist_ok=True)
    ran: list[str] = []
    try:
        with locked(run_dir):
            remember(recipe, run_dir / "lilm.toml")
            for stage in stages:
                if run_stage(stage, recipe, run_dir, context, force):
                    ran.append(stage.name)
                    if stage.name == "base" and given == run_dir / "base":
                        check_base(stages, recipe, given, context)
                else:
                    reporter.say(f"{stage.name}: up to date")
    except LilmError:
        if created and not ran and not any((run_dir / WORK).glob("*")):
            shutil.rmtree(run_dir)
        raise
    return ran


__all__ = ["chosen_stages", "run_stages", "stage_named"]
