"""What the system refuses and no stage foresaw: one line, exit code 2, the traceback in a file."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lilm.cli.unforeseen import unforeseen

LONG = "a" * 300


def lilm(*words: str, **env: str) -> str:
    """What stands on the screen when the command line ends with code 2: one line."""
    command = [sys.executable, "-m", "lilm", *words]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, check=False)
    said = done.stderr.strip()
    assert done.returncode == 2 and said.startswith("lilm: ") and "\n" not in said, done.stderr
    return said


@pytest.mark.parametrize(
    "words",
    [
        *(["chat", LONG], ["fit", LONG], ["report", LONG], ["serve", LONG], ["bench", "quant", LONG]),
        *(["run", "--recipe", f"{LONG}.toml"], ["export", "--run", LONG], ["finetune", "show", LONG]),
    ],
    ids=lambda words: words[0],
)
def test_a_name_that_no_file_can_have_is_told_shortened(words: list[str]) -> None:
    said = lilm(*words)
    assert LONG not in said and "aaaa" in said


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="the system has no such file")
def test_a_file_that_cannot_be_read_is_named_with_the_log(tmp_path: Path) -> None:
    said = lilm("run", "--recipe", "/proc/self/mem", LILM_STATE=str(tmp_path))
    log = tmp_path / "last-error.log"
    assert "Input/output error" in said and "a fault of LiLM's" in said and str(log) in said
    assert "Traceback" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "texts/a.txt"), "texts/a.txt: Permission denied"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deep"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_the_traceback_is_in_a_file_that_is_named(
    error: OSError | RecursionError | MemoryError, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LILM_STATE", str(tmp_path / "state"))
    line, log = unforeseen(error).line(), tmp_path / "state" / "last-error.log"
    assert said in line and "a fault of LiLM's" in line and str(log) in line
    assert type(error).__name__ in log.read_text(encoding="utf-8")


def test_a_full_disk_and_a_file_in_the_way_are_no_faults_of_ours(tmp_path: Path) -> None:
    full = unforeseen(OSError(errno.ENOSPC, "No space left on device")).line()
    assert "no space left on the disk" in full and "LiLM" not in full
    (tmp_path / "mine").write_text("mine")
    for folder in (tmp_path / "mine", tmp_path / "mine" / "model"):
        said = lilm("init", str(folder), "--recipe", "quickstart", LILM_STATE=str(tmp_path / "state"))
        assert said.startswith(f"lilm: {tmp_path / 'mine'}: a file, where a folder is needed") and "LiLM" not in said
    assert not (tmp_path / "state").exists() and (tmp_path / "mine").read_text() == "mine"
