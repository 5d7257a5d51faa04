"""What is kept between runs: found from any folder, by several processes at once, and nothing of another LiLM in it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lilm.cache import cache_dir, pip_download, state_dir
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.wasm import source
from lilm.wasm.build import copied_glue
from lilm.wasm.wasi import build as wasi


@pytest.mark.parametrize(("own", "users", "where"), [("LILM_CACHE", "XDG_CACHE_HOME", cache_dir),
                                                     ("LILM_STATE", "XDG_STATE_HOME", state_dir)])  # fmt: skip
def test_a_folder_that_is_told_relatively_is_the_same_from_everywhere(
    own: str, users: str, where: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """cmake runs in the build folder, and the wrappers of a fetched compiler hold its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(own, "kept")
    assert where() == tmp_path / "kept"
    monkeypatch.delenv(own)
    monkeypatch.setenv(users, "users")
    assert where() == tmp_path / "users" / "lilm"


def test_two_processes_may_unpack_the_source_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILM_CACHE", str(tmp_path))
    (tmp_path / "src").mkdir()
    monkeypatch.setattr(source, "fetch_sdist", lambda release: tmp_path / "src" / "sdist")
    monkeypatch.setattr(source, "apply_patch", lambda tree, patch: None)

    def extract(sdist: Path, target: Path) -> None:
        for folder in (target, target.parent.parent / target.name):  # the other process is done first
            folder.mkdir()
            (folder / "file").write_text("x")

    monkeypatch.setattr(source, "extract", extract)
    tree, _ = source.prepare_source()
    assert [path.name for path in tree.iterdir()] == ["file"]
    assert [path.name for path in tree.parent.iterdir()] == [tree.name]


def test_what_pip_says_is_told_whatever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of uv has no pip."""
    done = subprocess.CompletedProcess([], 1, "", f"{sys.executable}: No module named pip\n")
    monkeypatch.setattr("lilm.cache.subprocess.run", lambda *args, **named: done)
    with pytest.raises(LilmError, match="No module named pip"):
        pip_download("package", "1.0", tmp_path / "package-1.0.tar.gz")


def test_kernels_of_another_lilm_are_in_no_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILM_CACHE", str(tmp_path))
    monkeypatch.setattr(wasi, "find_zig", lambda: Path("zig"))
    monkeypatch.setattr(wasi, "version", lambda package: "1.0")
    monkeypatch.setattr(wasi, "prepare_source", lambda: (tmp_path, "key"))
    built: list[list[str]] = []

    def build(zig: Path, work: Path, reporter: Reporter) -> None:
        built.append(sorted(path.name for path in (work / "src" / "kernels").iterdir()))
        (work / "build" / "out").mkdir(parents=True, exist_ok=True)
        (work / "build" / "out" / wasi.PROGRAM).write_bytes(b"")

    monkeypatch.setattr(wasi, "_configure", lambda *args: None)
    monkeypatch.setattr(wasi, "_compile", build)
    stale = tmp_path / "wasm" / "tree-wasi-1.0-key" / "src" / "kernels" / "renamed.c"
    for folder in (stale.parent, tmp_path / "tree" / "glue" / "kernels"):
        folder.mkdir(parents=True)
        (folder / stale.name).write_text("")
    wasi.build_wasi(Reporter(quiet=True))
    assert built[0] == sorted(path.name for path in (copied_glue(tmp_path / "tree") / "kernels").iterdir())
    assert "renamed.c" not in built[0] and "mul_mat.c" in built[0]
