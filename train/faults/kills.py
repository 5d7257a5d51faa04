"""`lilm bench kills`: a run that is killed again and again ends in the same bytes, and leaves nothing behind."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.errors import LilmError
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.foreign import foreign_files
from lilm.pipeline.runner import LOCK, LOG, WORK
from lilm.pipeline.stage import STAGES
from lilm.progress import Reporter
from lilm.temporary import temporary_folder
from lilm.train.faults.small import small_recipe_text

SIGNALS = (*3 * [signal.SIGKILL], signal.SIGINT, signal.SIGTERM)  # one in five is a Ctrl-C, one a `kill`
LOOK_SECONDS = 0.005


@dataclass(frozen=True)
class _Killing:
    """stage: in which. seconds: after its work began. signal: that is sent to all processes of the run."""

    stage: str
    seconds: float
    signal: signal.Signals


def measure(
    reporter: Reporter, recipe: str = "", run_dir: Path | None = None, kills: int = 100, seed: int = 0
) -> dict[str, Any]:
    """Kill runs at random moments of all stages until there were `kills` of them, and compare what the runs end in with
    one that was let be.

    recipe: name of a shipped one, or path; when not given the quickstart made small. run_dir: where, kept; otherwise a
    folder that goes. Returns {"benchmark", "kills", "same_bytes" (kills of runs that ended so), "leftovers" (files that
    no stage knows, in the runs' folders and in TMPDIR), "stages": {name: kills}}. Raises LilmError when a run does not
    end well.
    """
    with temporary_folder("kills") as made:
        root = run_dir or made
        root.mkdir(parents=True, exist_ok=True)
        if not recipe:
            (root / "lilm.toml").write_text(small_recipe_text(), encoding="utf-8")
            recipe = str(root / "lilm.toml")
        temporary = root / "tmp"
        temporary.mkdir(exist_ok=True)
        whole = root / "whole"
        reporter.say("a run that is let be")
        _to_the_end(recipe, whole, temporary)
        wanted, draw = hashes(whole), random.Random(seed)
        counts: Counter[str] = Counter()
        same = left = rounds = 0
        with reporter.bar("kills", kills) as bar:
            while counts.total() < kills:
                run = root / f"killed-{rounds:03d}"
                shutil.rmtree(run, ignore_errors=True)
                here = 0
                for killing in _plan(whole, draw):
                    if counts.total() == kills:
                        break
                    if _killed(recipe, run, temporary, killing):
                        counts[killing.stage] += 1
                        here += 1
                        bar.advance(1, f"{killing.stage}, {killing.signal.name}")
                _to_the_end(recipe, run, temporary)
                found = leftovers(run) + [path for path in temporary.rglob("*") if path.is_file()]
                left += len(found)
                for path in found:
                    reporter.say(f"  left over: {path}")
                shutil.rmtree(temporary)  # counted once
                temporary.mkdir()
                if hashes(run) == wanted:
                    same += here
                    shutil.rmtree(run)
                else:
                    reporter.say(f"  other bytes: {run}")
                rounds += 1
    stages = {stage.name: counts[stage.name] for stage in STAGES}
    reporter.console.print(_table(stages, same, left))
    return {"benchmark": "kills", "kills": counts.total(), "same_bytes": same, "leftovers": left, "stages": stages}


def hashes(run: Path) -> dict[str, str]:
    """ "stage/file" -> SHA-256, of all outputs that a run must make again bit by bit."""
    found: dict[str, str] = {}
    for stage in STAGES:
        manifest = read_manifest(run / stage.name)
        if manifest is not None:
            found |= {f"{stage.name}/{name}": entry["sha256"] for name, entry in manifest.outputs.items()}
    return found


def leftovers(run: Path) -> list[Path]:
    """Files of a finished run that no stage wrote, as far as its manifest tells."""
    work = [path for path in (run / WORK).rglob("*") if path.is_file()] if (run / WORK).is_dir() else []
    known = {"lilm.toml", "report.html", LOCK, LOG, WORK, *(stage.name for stage in STAGES)}
    others = [path for path in run.iterdir() if path.name not in known]
    unknown = [run / stage.name / name for stage in STAGES for name in foreign_files(run / stage.name)]
    return [*work, *others, *unknown]


def _plan(whole: Path, draw: random.Random) -> Iterator[_Killing]:
    """Once in each stage, at a moment of the time that it took undisturbed."""
    for stage in STAGES:
        manifest = read_manifest(whole / stage.name)
        seconds = manifest.measurements["seconds"] if manifest else 0.0
        yield _Killing(stage.name, draw.random() * seconds, draw.choice(SIGNALS))


def _start(recipe: str, run: Path, temporary: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lilm", "run", "--recipe", recipe, "--run", str(run)],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _killed(recipe: str, run: Path, temporary: Path, killing: _Killing) -> bool:
    """Returns whether the stage was killed; one that ended sooner than the moment drawn was not."""
    process = _start(recipe, run, temporary)
    began = 0.0
    while process.poll() is None:
        if not began and any((run / WORK).glob(f"{killing.stage}-*")):
            began = time.monotonic()
        if began and time.monotonic() - began >= killing.seconds:
            os.killpg(process.pid, killing.signal)
            break
        if (run / killing.stage / "manifest.json").is_file():
            os.killpg(process.pid, signal.SIGKILL)  # too late for this stage; the next one is drawn anew
            process.communicate()
            return False
        time.sleep(LOOK_SECONDS)
    process.communicate()
    return began > 0 and not (run / killing.stage / "manifest.json").is_file()


def _to_the_end(recipe: str, run: Path, temporary: Path) -> None:
    process = _start(recipe, run, temporary)
    said = process.communicate()[1]
    if process.returncode:
        raise LilmError(
            f"a run ended with status {process.returncode}: {said.strip().splitlines()[-1:]}",
            where=str(run),
            remedy="mend that first, then kill",
        )


def _table(stages: dict[str, int], same: int, left: int) -> Table:
    table = Table(title="kills", title_justify="left", show_footer=True)
    table.add_column("stage", footer="all")
    table.add_column("kills", justify="right", footer=str(sum(stages.values())))
    for name, count in stages.items():
        table.add_row(name, str(count))
    table.caption = f"{same} in runs that ended in the same bytes, {left} files left over"
    return table
