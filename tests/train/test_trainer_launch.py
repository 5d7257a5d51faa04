"""A stage in several processes: what it learns, what it shows, a kill in the middle, and a process that fails."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from safetensors.torch import load_file

from lilm.errors import LilmError
from lilm.pipeline.explain import make_context
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import DistributedConfig, NewRowsOptimConfig, OptimConfig, PretrainConfig, load_recipe
from lilm.train.pretrain import stage
from lilm.train.trainer import launch

TOGETHER = {"processes": 2, "zero": 3}


def config(steps: int = 20, **distributed: Any) -> PretrainConfig:
    return PretrainConfig(
        sequence_length=128,
        dtype="float32",
        stage1=NewRowsOptimConfig(steps=2, lr=1e-2, batch_size=4),
        stage2=OptimConfig(steps=steps, lr=1e-2, batch_size=4),
        eval_every=10,
        eval_bytes=2000,
        checkpoint_every=2,
        sample_tokens=4,
        distributed=DistributedConfig(**distributed),
    )


def losses(out: Path) -> list[float]:
    entries = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [entry["loss"] for entry in entries if "loss" in entry]


START = """
import sys
from pathlib import Path
from rich.console import Console
from lilm.progress import Reporter
from lilm.recipe import PretrainConfig
from lilm.pipeline.stage import Context
from lilm.train.pretrain import stage
if __name__ == "__main__":
    inputs = {name: Path(sys.argv[2]) / name for name in ("corpus", "base", "tokenizer", "pack")}
    context = Context(0, 2, "ja", "en", Reporter(Console(quiet=True)))
    stage.run(PretrainConfig.model_validate_json(sys.argv[1]), inputs, Path(sys.argv[3]), context)
"""


def start(settings: PretrainConfig, inputs: dict[str, Path], out: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", START, settings.model_dump_json(), str(inputs["base"].parent), str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(condition: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers(out: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if str(out) in " ".join(process.cmdline()) and "worker" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.fixture(scope="module")
def together(pretrain_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stage in two processes, undisturbed; `log` has what was shown."""
    pytest.importorskip("deepspeed", reason="ZeRO needs the extra `distributed`")
    out = tmp_path_factory.mktemp("together")
    with (out / "log").open("w") as log:
        reporter = Reporter(Console(file=log))
        stage.run(config(**TOGETHER), pretrain_inputs, out, Context(0, 2, "ja", "en", reporter))
    return out


def test_a_stage_of_two_processes_is_the_stage_of_one(
    pretrain_inputs: dict[str, Path], together: Path, tmp_path: Path, context: Context
) -> None:
    artifact = stage.run(config(), pretrain_inputs, tmp_path, context)
    assert losses(together) == pytest.approx(losses(tmp_path), abs=1e-3)
    one, two = (load_file(out / "model.safetensors") for out in (tmp_path, together))
    assert one.keys() == two.keys()
    assert all((one[name] - two[name]).abs().max() < 1e-3 for name in one), "whole weights, gathered"
    after = json.loads((together / "report.json").read_text())["after"]
    assert after == pytest.approx(artifact.measurements["after"], abs=1e-3)
    said = (together / "log").read_text().splitlines()
    assert len([line for line in said if line.startswith("  after:")]) == 1, "what the first process says, once"


def test_killed_and_started_again_it_ends_in_the_same_bytes(
    pretrain_inputs: dict[str, Path], together: Path, tmp_path: Path
) -> None:
    first = start(config(**TOGETHER), pretrain_inputs, tmp_path)
    wait_for(lambda: any(tmp_path.glob("checkpoints/stage2/step-*")) or first.poll() is not None)
    assert first.poll() is None
    left = workers(tmp_path)
    first.kill()  # its processes do not hear of it, and go on for a while
    first.wait()
    assert start(config(**TOGETHER), pretrain_inputs, tmp_path).wait() == 0
    assert not any(process.is_running() for process in left), "the old ones made way for the new"
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (tmp_path / name).read_bytes() == (together / name).read_bytes(), name


def test_a_process_that_is_killed_is_named_with_its_log(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    def kill_second() -> None:
        wait_for(lambda: any(tmp_path.glob("checkpoints/stage1/step-*")))
        second = next(one for one in workers(tmp_path) if one.environ().get("RANK") == "1")
        os.kill(second.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill_second)
    thread.start()
    with pytest.raises(LilmError, match=r"rank-1\.log: training process 1 failed: killed by signal 9") as caught:
        stage.run(config(steps=4000, processes=2, zero=0), pretrain_inputs, tmp_path, context)
    thread.join()
    assert Path(str(caught.value.where)).is_file()


def test_what_a_process_refuses_is_said_as_it_says_it(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    inputs = {**pretrain_inputs, "pack": tmp_path}  # an empty folder
    with pytest.raises(LilmError, match=r"tokens\.json: no tokens"):
        stage.run(config(processes=2, zero=0), inputs, tmp_path, context)


def test_a_process_that_crashes_is_named_with_what_it_died_of(
    pretrain_inputs: dict[str, Path], tmp_path: Path, context: Context
) -> None:
    inputs = {name: path for name, path in pretrain_inputs.items() if name != "pack"}
    with pytest.raises(LilmError, match=r"rank-[01]\.log: training process [01] failed: KeyError: 'pack'") as caught:
        stage.run(config(processes=2, zero=0), inputs, tmp_path, context)
    assert "Traceback" in Path(str(caught.value.where)).read_text()


@pytest.mark.parametrize("device", ["", "iphone-safari"])
def test_a_context_that_a_recipe_makes_reaches_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    """With the licences that a recipe tells, and the device that its budget is for."""
    answer = "import pathlib, sys; pathlib.Path(sys.argv[1]).with_name('artifact.json').write_text(sys.argv[2])"
    told = json.dumps({"measurements": {"steps": 1}, "volatile": []})
    monkeypatch.setattr(launch, "start_command", lambda distributed, spec: [sys.executable, "-c", answer, spec, told])
    recipe = load_recipe("quickstart")
    recipe = recipe.model_copy(update={"export": recipe.export.model_copy(update={"device": device})})
    context = make_context(recipe, Reporter(Console(quiet=True)))
    assert context.licences
    found = launch.launch("pretrain", config(), DistributedConfig(processes=2, zero=0), {}, tmp_path, context)
    assert found.measurements == {"steps": 1}
    spec = json.loads(next(tmp_path.glob("checkpoints/launch-*/spec.json")).read_text())
    again = Context(**spec["context"], reporter=context.reporter)
    assert again == replace(context, place=None, licences=())


def test_files_of_the_users_folder_are_none_of_pythons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: Context
) -> None:
    (tmp_path / "calendar.py").write_text("raise SystemExit('the user has a calendar')\n")
    monkeypatch.chdir(tmp_path)
    told = json.dumps({"measurements": {}, "volatile": []})
    answer = (
        "import calendar, pathlib, sys; pathlib.Path(sys.argv[1]).with_name('artifact.json').write_text(sys.argv[2])"
    )
    monkeypatch.setattr(launch, "start_command", lambda distributed, spec: [sys.executable, "-c", answer, spec, told])
    launch.launch("pretrain", config(), DistributedConfig(processes=2, zero=0), {}, tmp_path / "out", context)


def test_a_batch_that_cannot_be_shared_is_refused_by_name(context: Context) -> None:
    with pytest.raises(LilmError, match=r"pretrain\.stage1: batch_size 4 is not a multiple of 3 processes"):
        stage.check(config(processes=3, zero=0), context)
