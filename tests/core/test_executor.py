"""Shard tasks: the same answers from every executor, errors come through, no worker outlives its parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lilm.errors import LilmError
from lilm.pipeline.executor import Kind, executor
from lilm.recipe import recipe_text


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_carry_their_index(workers: int) -> None:
    with executor("local", workers) as pool:
        assert dict(pool.run(abs, range(-20, 0))) == {index: 20 - index for index in range(20)}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_user_error_comes_through_whole(workers: int) -> None:
    with executor("local", workers) as pool, pytest.raises(LilmError) as caught:
        list(pool.run(recipe_text, ["quickstart", "quikstart", "quickstart"]))
    assert caught.value.line().startswith("--recipe: no shipped recipe 'quikstart' — use one of: quickstart")


def test_a_worker_that_the_system_ended_is_one_line() -> None:
    with executor("local", 2) as pool, pytest.raises(LilmError, match=r"the system ended a process.*corpus\.memory_mb"):
        list(pool.run(os._exit, [9, 9]))


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\n"
        "from lilm.pipeline.executor import executor\n"
        "def sleep(seconds):\n    time.sleep(seconds)\n"
        "if __name__ == '__main__':\n"
        "    with executor('local', 2) as pool:\n"
        "        for _ in pool.run(sleep, [0, 0, 600, 600]):\n"
        "            print('ready', flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None and parent.stdout.readline() == "ready\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert gone and not alive


def test_ray_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    kind: Kind = "ray"
    with pytest.raises(LilmError, match=r"pip install 'lilm\[ray\]'"), executor(kind, 1):
        pass
