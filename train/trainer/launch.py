"""Starts the processes of a stage, shows what the first of them says, and says in one line what ended them.

The processes and this one speak through files in a folder, since they may be on other machines: `spec.json` (what to
do), `alive` (this process is), `progress.jsonl` (what the first process says), `rank-N.log` (what each prints),
`artifact.json`, or `error-N.json` as torch.distributed.elastic records it (how it ended).
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import lilm
from lilm.errors import LilmError
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import DistributedConfig
from lilm.recipe.section import Section
from lilm.train.trainer.hosts import rank_count
from lilm.train.trainer.relay import replay

WORKER = "lilm.train.trainer.worker"
POLL_SECONDS = 0.2
HANDED_ON = ("seed", "threads", "language", "base_language")  # of the context: what is no JSON, no training reads
_ENDED = re.compile(
    r"^\s*rank\s*:\s*(\d+) .*\n\s*exitcode\s*:\s*(-?\d+)", re.MULTILINE
)  # torchrun's list of who failed
_REFUSED = f"{LilmError.__name__}: "  # how the record of one begins


def is_for_many(distributed: DistributedConfig) -> bool:
    """Whether a stage has to start processes: several are asked for, and this is none of them."""
    if not distributed.hostfile and distributed.processes == 1:
        return False
    from torch import distributed as group

    return not group.is_initialized()


def start_command(distributed: DistributedConfig, spec: Path) -> list[str]:
    """torchrun for the processes of this machine; DeepSpeed's launcher for a hostfile's."""
    if distributed.hostfile:
        port = str(20_000 + secrets.randbelow(10_000))  # two runs may share a first machine
        hosts = ["--hostfile", distributed.hostfile, "--master_port", port]
        launcher = ["deepspeed.launcher.runner", *hosts, "--module", WORKER]
    else:
        alone = ["--standalone", "--nproc-per-node", str(distributed.processes)]
        launcher = ["torch.distributed.run", *alone, "--module", WORKER]
    return [sys.executable, "-m", *launcher, str(spec)]


def launch(
    stage: str,
    config: Section,
    distributed: DistributedConfig,
    inputs: Mapping[str, Path],
    out_dir: Path,
    context: Context,
) -> Artifact:
    """Run the stage's function in every process, and answer what the first one answers.

    Raises the LilmError that a process raises, or one that names the process that failed and its log.
    """
    checkpoints = out_dir.resolve() / "checkpoints"
    for old in checkpoints.glob("launch-*"):  # processes that a killed try left end when theirs is gone
        shutil.rmtree(old, ignore_errors=True)
    folder = checkpoints / f"launch-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    spec = {
        "stage": stage,
        "config": config.model_dump(mode="json"),
        "inputs": {name: str(path.resolve()) for name, path in inputs.items()},
        "out_dir": str(out_dir.resolve()),
        "context": {name: getattr(context, name) for name in HANDED_ON},
    }
    write_json(folder / "spec.json", spec)
    for name in ("alive", "progress.jsonl"):
        (folder / name).touch()
    context.reporter.say(f"  {rank_count(distributed)} processes; logs in {folder}")
    environment = {**os.environ, **_environment(context.threads)}
    command = start_command(distributed, folder / "spec.json")
    with (folder / "launcher.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, stdin=subprocess.DEVNULL)
    try:
        replay(_said(folder, process), context.reporter)
    finally:
        process.terminate()  # nothing where it has ended
        process.wait()
    if process.returncode == 0 and (folder / "artifact.json").is_file():
        found = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
        return Artifact(found["measurements"], tuple(found["volatile"]))
    raise _failure(folder, process.returncode)


def _environment(threads: int) -> dict[str, str]:
    """Beside the interpreter are ninja and the launchers; a batch job's OpenMP would spin while it waits for others. No
    file of the working folder, as a json.py of the user's, is imported in place of Python's."""
    here = Path(lilm.__file__).resolve().parent.parent
    paths = [os.environ.get("PYTHONPATH", ""), str(here) if here == Path.cwd() else ""]  # LiLM itself may lie there
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
    }


def _said(folder: Path, process: "subprocess.Popen[bytes]") -> Iterator[list[Any]]:
    """What the first process says, until all have ended; meanwhile `alive` changes."""
    rest, running = "", True
    with (folder / "progress.jsonl").open(encoding="utf-8") as file:
        for beat in count():
            running = process.poll() is None
            *lines, rest = (rest + file.read()).split("\n")
            yield from map(json.loads, lines)
            if not running:
                return
            (folder / "alive").write_text(str(beat), encoding="utf-8")
            time.sleep(POLL_SECONDS)


def _failure(folder: Path, code: int) -> LilmError:
    """What a process refuses; else who was killed; else who crashed first: when one is gone, the others crash too, or
    are told to end."""
    failed: dict[int, str] = {}
    for path in sorted(folder.glob("error-*.json"), key=lambda path: path.stat().st_mtime_ns):
        with suppress(ValueError):  # of a process that was told to end while it wrote
            text = json.loads(path.read_text(encoding="utf-8"))["message"]["message"]
            failed[int(path.stem.removeprefix("error-"))] = text.split("\n")[0]
    refused = next((text for text in failed.values() if text.startswith(_REFUSED)), None)
    if refused is not None:
        shutil.rmtree(folder)  # the user's to mend: nothing in the logs helps
        return LilmError(refused.removeprefix(_REFUSED))
    for rank, status in _ENDED.findall((folder / "launcher.log").read_text(encoding="utf-8", errors="replace")):
        if int(status) < 0 and int(status) != -signal.SIGTERM:
            memory = " (out of memory?)" if int(status) == -signal.SIGKILL else ""
            failed = {int(rank): f"killed by signal {-int(status)}{memory}", **failed}
    log, what = "launcher.log", f"the processes ended with status {code}"
    for rank, text in failed.items():
        log, what = f"rank-{rank}.log", f"training process {rank} failed: {text}"
        break
    return LilmError(
        what, where=str(folder / log), remedy="read that file; the same command goes on from the last checkpoint"
    )
