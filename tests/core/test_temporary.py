"""Temporary folders go with their process, however it ends."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lilm.temporary import remove_orphans, temporary_folder

HOLDS = """
import sys
from lilm.temporary import temporary_folder
with temporary_folder("held") as folder:
    (folder / "file").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds a folder until its input ends, and that folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(autouse=True)
def own_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_what_a_killed_process_left_is_taken_away(own_tmp: Path) -> None:
    with holder() as (process, left):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (left / "file").is_file()
        with temporary_folder("next") as folder:
            assert list(own_tmp.iterdir()) == [folder]
    assert not list(own_tmp.iterdir())


def test_what_a_living_process_holds_stays(own_tmp: Path) -> None:
    mine = own_tmp / "lilm-notes"
    mine.mkdir()
    with holder() as (_, held), temporary_folder("next"):
        remove_orphans()
        assert (held / "file").is_file()
    assert mine.is_dir()
