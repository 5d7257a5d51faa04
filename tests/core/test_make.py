"""`make tools` asks for what LiLM does not find, and for nothing that it does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKE = shutil.which("make")


def tools(folder: Path, **there: str) -> tuple[int, str]:
    """(status, what it says) where only these programs are, in `folder`, for somebody who is not root. there: by name
    where each lies."""
    for name, place in {**there, "id": "bin"}.items():
        program = folder / place / name.replace("_", "-")
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\necho 1000\n")
        program.chmod(0o755)
    assert MAKE
    names = ("EMSDK", "LILM_CACHE", "XDG_CACHE_HOME", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"PATH": str(folder / "bin"), "HOME": str(folder), "LILM_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [MAKE, "--no-print-directory", "tools"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.skipif(MAKE is None, reason="no make")
def test_what_is_there_under_another_name_or_in_the_cache_is_not_asked_for(tmp_path: Path) -> None:
    others = {"google_chrome": "bin", "nodejs": "bin", "patch": "bin", "emcc": "cache/toolchain/bin"}
    assert tools(tmp_path / "all", **others) == (0, "")
    status, said = tools(tmp_path / "none", patch="bin")
    assert status and "sudo apt-get install --no-install-recommends emscripten chromium nodejs" in said
