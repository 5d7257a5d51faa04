"""kill -9 in every stage, and a second run: the same output hashes as an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tomlkit

from lilm.pipeline.stage import STAGES
from lilm.train.faults.kills import hashes, leftovers

TRAINING = {"base", "pretrain", "finetune"}


def kill_inside(stage: str, recipe: Path, run: Path) -> bool:
    """Start the run, and kill it as soon as `stage` has begun to write (training: has a checkpoint). Was it killed?"""
    command = [sys.executable, "-m", "lilm", "run", "--recipe", str(recipe), "--run", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    inside = "checkpoints/**/step-*" if stage in TRAINING else "*"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if any(any(work.glob(inside)) for work in run.glob(f".work/{stage}-*")):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return not (run / stage / "manifest.json").is_file()
        time.sleep(0.002)
    process.wait()
    return False


def test_a_run_killed_in_every_stage_ends_in_the_same_bytes(
    small_recipe: Path, finished_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for stage in STAGES:
        while not kill_inside(stage.name, small_recipe, run):  # it was over before it was seen: once more
            (run / stage.name / "manifest.json").unlink()
    command = [sys.executable, "-m", "lilm", "run", "--recipe", str(small_recipe), "--run", str(run)]
    subprocess.run(command, check=True, capture_output=True)
    assert hashes(run) == hashes(finished_run)
    assert leftovers(run) == []


def test_shards_read_before_a_kill_are_not_read_again(small_recipe: Path, tmp_path: Path) -> None:
    """Two processes at work on six shards; the parent alone is killed, as the system does when memory is short."""
    recipe = tomlkit.parse(small_recipe.read_text()).unwrap()
    sources = [
        {"name": f"{lang}{n}", "lang": lang, "format": "stories", "limit": 2500}
        for lang in ("ja", "en")
        for n in range(3)
    ]
    recipe["corpus"] |= {"sources": sources, "workers": 2}
    path = tmp_path / "lilm.toml"
    path.write_text(tomlkit.dumps(recipe))
    command = [sys.executable, "-m", "lilm", "corpus", "--recipe", str(path), "--run"]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    killed = tmp_path / "killed"
    process = subprocess.Popen([*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline, done = time.monotonic() + 120, []
    while time.monotonic() < deadline and process.poll() is None and not done:
        done = list(killed.glob(".work/corpus-*/checkpoints/shards/*.json"))
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert done
    before = {shard: shard.stat().st_mtime_ns for shard in done}
    process = subprocess.Popen([*command, str(killed)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    kept = {}
    while process.poll() is None:
        kept |= {shard: shard.stat().st_mtime_ns for shard in before if shard.exists()}
        time.sleep(0.01)
    assert process.returncode == 0 and process.stderr is not None and "(resumed)" in process.stderr.read()
    assert kept == before
    manifests = [json.loads((tmp_path / run / "corpus" / "manifest.json").read_text()) for run in ("whole", "killed")]
    assert (
        len({json.dumps({name: entry["sha256"] for name, entry in one["outputs"].items()}) for one in manifests}) == 1
    )


@pytest.mark.parametrize(("number", "everyone"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_stopped_run_says_that_it_goes_on_and_leaves_nothing_behind(
    small_recipe: Path, tmp_path: Path, number: signal.Signals, everyone: bool
) -> None:
    """Ctrl-C reaches the workers too, `kill` does not."""
    recipe = tomlkit.parse(small_recipe.read_text()).unwrap()
    names = ("ja1", "ja2", "ja3", "en1", "en2", "en3")
    sources = [{"name": name, "lang": name[:2], "format": "stories", "limit": 2500} for name in names]
    recipe["corpus"] |= {"sources": sources, "workers": 2}
    (tmp_path / "lilm.toml").write_text(tomlkit.dumps(recipe))
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "lilm", "corpus"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not any(tmp_path.glob("run/.work/corpus-*/checkpoints/shards/*.json")):
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()[1]
    (os.killpg if everyone else os.kill)(process.pid, number)
    said = process.communicate(timeout=60)[1]  # over when the workers, who share it, are gone
    assert process.returncode == 128 + number
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "lilm: stopped; the same command goes on from here"
    assert not list((tmp_path / "tmp").iterdir())


def test_a_second_run_has_nothing_to_do(small_recipe: Path, finished_run: Path) -> None:
    command = [sys.executable, "-m", "lilm", "run", "--recipe", str(small_recipe), "--run", str(finished_run)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    assert result.stderr.count("up to date") == len(STAGES)
