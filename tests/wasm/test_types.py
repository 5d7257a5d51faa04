"""The types beside the runtime: what its JSDoc says, of use to a TypeScript page, and named by its package."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lilm.wasm.javascript import runtime_dir, runtime_files

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / "dev"


def tsc(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """TypeScript's compiler as `make lint` installs it."""
    program = DEV / "node_modules" / ".bin" / "tsc"
    if not program.exists() or shutil.which("node") is None:
        pytest.skip("no TypeScript: `make lint` installs it")
    command = [str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300, check=False)


def test_the_types_are_what_the_code_says(tmp_path: Path) -> None:
    done = tsc("-p", str(DEV / "tsconfig.types.json"), "--outDir", str(tmp_path), folder=ROOT)
    assert done.returncode == 0, done.stdout
    kept = sorted((ROOT / "wasm" / "runtime").glob("*.d.mts"))
    assert kept
    for path in kept:
        made = (tmp_path / path.name).read_text(encoding="utf-8")
        assert path.read_text(encoding="utf-8") == made, f"{path.name} is old: `make types`"


def test_the_types_serve_a_typescript_page(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "lilm"
    package.mkdir(parents=True)
    for name in runtime_files():
        if name.endswith((".d.mts", ".json")):
            shutil.copyfile(runtime_dir() / name, package / name)
    shutil.copyfile(Path(__file__).with_name("use_types.mts"), tmp_path / "use.mts")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"]
    done = tsc(*options, "use.mts", folder=tmp_path)
    assert done.returncode == 0, done.stdout


def test_the_package_names_files_that_are_there() -> None:
    package = json.loads((runtime_dir() / "package.json").read_text(encoding="utf-8"))
    for place in (package["main"], package["types"], package["exports"]["."]["default"]):
        assert Path(place).name in runtime_files()
