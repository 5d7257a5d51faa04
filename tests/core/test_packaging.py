"""What is imported is whole: every package and every data file of the source tree is installed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lilm

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {"lilm": "lilm", "train": "lilm/train", "export": "lilm/export", "wasm": "lilm/wasm", "demo": "lilm/demo"}
SYMLINKS = {"train", "export", "wasm", "demo"}


def source_files() -> dict[str, Path]:
    """Installed name -> file of the checkout, for everything that is code or data."""
    found = {}
    for folder, installed in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT / folder)
            hidden = {"__pycache__", "native"} & set(inside.parts)  # what is compiled has a test of its own
            if path.is_file() and path.suffix != ".so" and not hidden and inside.parts[0] not in SYMLINKS:
                found[f"{installed}/{inside.as_posix()}"] = path
    return found


def test_every_file_of_the_source_is_installed() -> None:
    location = Path(str(lilm.__file__)).parent.parent
    missing = [name for name in source_files() if not (location / name).is_file()]
    assert not missing


def test_the_compiled_part_is_installed_and_its_sources_are_packed() -> None:
    from lilm.train.corpus import _native

    assert Path(_native.__file__).suffix in (".so", ".pyd")
    assert "native *.h" in (ROOT / "MANIFEST.in").read_text()


def test_every_module_is_imported_under_one_name() -> None:
    code = (
        "import sys, lilm.train.corpus, lilm.export, lilm.wasm, lilm.demo;"
        "print([m for m in sys.modules if m.split('.')[0] in ('train', 'export', 'wasm', 'demo')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert result.stdout.strip() == "[]"


def test_the_browsers_build_asks_neither_its_bench_nor_the_demo() -> None:
    stage = [path for path in (ROOT / "wasm").rglob("*.py") if "bench" not in path.relative_to(ROOT).parts]
    asked = re.compile(r"^\s*(?:from|import) lilm\.(?:wasm\.bench|demo)\b", re.MULTILINE)
    assert stage
    assert [path for path in stage if asked.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "bench",
        "init",
        "doctor",
        "setup",
        "serve",
        "chat",
        "generate",
        "api",
        "corpus",
        "site",
        "plan",
        "fit",
        "report",
    ],
)
def test_help_names_an_example(command: str) -> None:
    result = subprocess.run([sys.executable, "-m", "lilm", command, "--help"], capture_output=True, text=True)
    assert result.returncode == 0
    assert "lilm " + command in " ".join(result.stdout.split())


def test_help_does_not_load_heavy_libraries() -> None:
    heavy = ("torch", "transformers", "polars", "gradio", "llama_cpp", "matplotlib")
    code = f"import sys, lilm.cli.entry, lilm.pipeline.runner; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
