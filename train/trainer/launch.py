"""Starts the processes of a stage, shows what the first of them says, and says in one line what ended them.

The processes and this one speak through files in a folder, since they may be on other machines: `spec.json` (what to
do), `alive` (this process is), `progress.jsonl` (what the first process says), `rank-N.log` (what each prints),
`artifact.json`, `error-N.json` or `crash-N` (how it ended).
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
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from lilm.disk import replacing
from lilm.errors import LilmError
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import DistributedConfig
from lilm.recipe.section import Section
from lilm.train.trainer.hosts import rank_count
from lilm.train.trainer.relay import Relayed

FOLDER = "launch"  # inside the stage's checkpoints, so that it is gone when the stage is done
WORKER = "lilm.train.trainer.worker"
POLL_SECONDS = 0.2
_ENDED = re.compile(
    r"^\s*rank\s*:\s*(\d+) .*\n\s*exitcode\s*:\s*(-?\d+)", re.MULTILINE
)  # torchrun's list of who failed


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
    folder = out_dir / "checkpoints" / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    token = secrets.token_hex(8)
    spec = {
        "token": token,
        "stage": stage,
        "config": config.model_dump(mode="json"),
        "inputs": {name: str(path.resolve()) for name, path in inputs.items()},
        "out_dir": str(out_dir.resolve()),
        "seed": context.seed,
        "threads": context.threads,
        "language": context.language,
        "base_language": context.base_language,
    }
    write_json(folder / "spec.json", spec)
    context.reporter.say(f"  {rank_count(distributed)} processes; logs in {folder}")
    with (folder / "launcher.log").open("wb") as log:
        code = _run(start_command(distributed, (folder / "spec.json").resolve()), log, folder, token, context)
    if code == 0 and (folder / "artifact.json").is_file():
        found = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
        return Artifact(found["measurements"], tuple(found["volatile"]))
    raise _failure(folder, code)


def _run(command: list[str], log: IO[bytes], folder: Path, token: str, context: Context) -> int:
    """The exit status of `command`; meanwhile its progress is shown, and `alive` goes on counting."""
    # beside the interpreter are ninja and the launchers; a batch job's OpenMP would spin while it waits for others
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "OMP_NUM_THREADS": str(context.threads),
        "OMP_WAIT_POLICY": "passive",
    }
    _beat(folder, token, 0)
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, stdin=subprocess.DEVNULL)
    with Relayed(folder / "progress.jsonl", context.reporter) as relayed:
        beats = 0
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                beats += 1
                _beat(folder, token, beats)
                relayed.show()
            relayed.show()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    return process.returncode


def _beat(folder: Path, token: str, count: int) -> None:
    """A reader sees the old beat or the new one; unlike write_atomic, the disk may take its time."""
    with replacing(folder / "alive") as part:
        part.write_text(f"{token} {count}", encoding="utf-8")


def _failure(folder: Path, code: int) -> LilmError:
    for path in sorted(folder.glob("error-*.json")):
        error: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        shutil.rmtree(folder)  # the user's to mend: nothing in the logs helps
        return LilmError(error["what"], where=error["where"], remedy=error["remedy"])
    rank, reason = _culprit(folder) or (None, f"the processes ended with status {code}")
    return LilmError(
        reason if rank is None else f"training process {rank} failed: {reason}",
        where=str(folder / ("launcher.log" if rank is None else f"rank-{rank}.log")),
        remedy="read that file; the same command goes on from the last checkpoint",
    )


def _culprit(folder: Path) -> tuple[int, str] | None:
    """(the process that failed, why): one that was killed before one that crashed, since when one is gone the others
    crash too, or are told to end; or None when nobody left a word."""
    text = (folder / "launcher.log").read_text(encoding="utf-8", errors="replace")
    ended = {int(rank): int(status) for rank, status in _ENDED.findall(text)}
    for rank, status in ended.items():
        if status < 0 and status != -signal.SIGTERM:
            memory = " (out of memory?)" if status == -signal.SIGKILL else ""
            return rank, f"killed by signal {-status}{memory}"
    crashes = sorted(folder.glob("crash-*"), key=lambda path: path.stat().st_mtime_ns)
    if not crashes:
        return None
    return int(crashes[0].name.removeprefix("crash-")), crashes[0].read_text(encoding="utf-8")
