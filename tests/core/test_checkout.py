"""A checkout whose links came out as text files says what to do."""

import shutil
import subprocess
import sys
from pathlib import Path

import lilm


def test_text_files_in_place_of_links_are_named(tmp_path: Path) -> None:
    package = Path(lilm.__file__).parent
    left_out = shutil.ignore_patterns("__pycache__", "train", "export", "wasm", "demo")
    shutil.copytree(package, tmp_path / "lilm", ignore=left_out)
    for name in ("train", "export", "wasm", "demo"):
        (tmp_path / "lilm" / name).write_text(f"../{name}")  # as git for Windows has it without core.symlinks
    command = [sys.executable, "-m", "lilm", "run", "--recipe", "quickstart"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "a text file stands where the checkout has a link to ../train" in done.stderr
    assert "git config core.symlinks true" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "lilm"], "nothing else was written"
