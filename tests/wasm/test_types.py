"""The hand-written types: they compile, agree with lilm.mjs, and name the same errors."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lilm.wasm.node import runtime_dir


def test_the_types_serve_a_typescript_page(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "lilm"
    package.mkdir(parents=True)
    for name in ("lilm.d.mts", "package.json"):
        shutil.copyfile(runtime_dir() / name, package / name)
    shutil.copyfile(Path(__file__).with_name("use_types.mts"), tmp_path / "use.mts")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom"]
    command = ["npx", "--yes", "--package", "typescript@5.9.3", "tsc", *options, "use.mts"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    if "npm error" in done.stderr:
        pytest.skip("no package registry for the TypeScript compiler")
    assert done.returncode == 0, done.stdout


def test_the_package_exports_what_is_typed() -> None:
    types = (runtime_dir() / "lilm.d.mts").read_text(encoding="utf-8")
    code = (runtime_dir() / "lilm.mjs").read_text(encoding="utf-8")
    typed = set(re.findall(r"^export (?:class|function) (\w+)", types, re.MULTILINE))
    exported = set(re.findall(r"^export (?:async )?(?:class|function) (\w+)", code, re.MULTILINE))
    for names in re.findall(r"^export \{ (.*) \};", code, re.MULTILINE):
        exported |= set(names.split(", "))
    assert typed == exported
    errors = (runtime_dir() / "errors.mjs").read_text(encoding="utf-8")
    kinds = re.findall(r'^  "(\w+)",$', errors, re.MULTILINE)
    assert kinds == re.findall(r'^  \| "(\w+)"', types.split(";")[0], re.MULTILINE)
    package = json.loads((runtime_dir() / "package.json").read_text(encoding="utf-8"))
    for place in (package["main"], package["types"], package["exports"]["."]["default"]):
        assert (runtime_dir() / place).is_file()
