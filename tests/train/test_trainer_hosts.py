"""Several machines by a hostfile: DeepSpeed's launcher, with stand-ins for ssh and pdsh that stay on this machine."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.recipe import DistributedConfig, NewRowsOptimConfig, OptimConfig, PretrainConfig
from lilm.train.pretrain import stage
from lilm.train.trainer.hosts import check_ranks, rank_count

SSH = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift 2; done
shift
exec sh -c "$*"
"""
PDSH = """#!/usr/bin/env python3
import subprocess, sys
at = sys.argv.index("-w")
command = " ".join(sys.argv[at + 2:])
ran = [subprocess.Popen(["sh", "-c", command.replace("%n", str(n))]) for n in range(len(sys.argv[at + 1].split(",")))]
sys.exit(max(process.wait() for process in ran))
"""


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hostfile of two machines, and programs that answer for them."""
    pytest.importorskip("deepspeed", reason="a hostfile needs the extra `distributed`")
    if not subprocess.run(["hostname", "-I"], capture_output=True, check=False).stdout.strip():
        pytest.skip("this machine has no address that DeepSpeed's launcher can find")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("ssh", SSH), ("pdsh", PDSH)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    hosts = tmp_path / "hosts"
    hosts.write_text("# the two in the cellar\nnode1 slots=1\nnode2 slots=1\n")
    return hosts


def config(distributed: DistributedConfig) -> PretrainConfig:
    return PretrainConfig(
        sequence_length=64,
        dtype="float32",
        stage1=NewRowsOptimConfig(steps=2, lr=1e-2, batch_size=4),
        stage2=OptimConfig(steps=4, lr=1e-2, batch_size=4),
        eval_bytes=500,
        samples=0,
        distributed=distributed,
    )


def losses(out: Path) -> list[float]:
    entries = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return [entry["loss"] for entry in entries if "loss" in entry]


def test_two_machines_learn_what_one_does(
    pretrain_inputs: dict[str, Path], machines: Path, tmp_path: Path, context: Context
) -> None:
    outs = tmp_path / "one", tmp_path / "two"
    for out, distributed in zip(outs, (DistributedConfig(), DistributedConfig(hostfile=str(machines))), strict=True):
        out.mkdir()
        stage.check(config(distributed), context)
        stage.run(config(distributed), pretrain_inputs, out, context)
    log = next(outs[1].glob("checkpoints/launch-*/launcher.log")).read_text()
    assert "node_rank=1" in log, "DeepSpeed's launcher was on two machines"
    assert losses(outs[1]) == pytest.approx(losses(outs[0]), abs=1e-3)


def test_a_hostfile_is_checked_line_by_line(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# the two in the cellar\nnode1 slots=2\nnode2 slots=4\n")
    assert rank_count(DistributedConfig(hostfile=str(hosts))) == 6
    for text, word in (
        ("node1 slots=2\nnode2\n", r"hosts:2: 'node2' is not `HOST slots=N`"),
        ("node1 slots=2\nnode1 slots=2\n", r"hosts:2: .* stood there before"),
        ("# nothing\n", "no host in it"),
    ):
        hosts.write_text(text)
        with pytest.raises(LilmError, match=word):
            rank_count(DistributedConfig(hostfile=str(hosts)))
    with pytest.raises(LilmError, match="no such file"):
        rank_count(DistributedConfig(hostfile=str(tmp_path / "nothing")))


def test_missing_pdsh_is_said_before_the_start(machines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machines.parent / "bin" / "pdsh").unlink()
    monkeypatch.setenv("PATH", str(machines.parent / "bin"))
    with pytest.raises(LilmError, match="pdsh is not installed"):
        check_ranks(DistributedConfig(hostfile=str(machines)), {"o": OptimConfig(steps=1, lr=1e-3, batch_size=2)})
