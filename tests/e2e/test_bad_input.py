"""What the user got wrong: one line that names what, where and the remedy, exit code 2, nothing touched."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomlkit


def run_lilm(*arguments: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lilm", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False)


def assert_one_line(result: subprocess.CompletedProcess[str], *parts: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("lilm: ")
    assert sum(line.startswith("lilm: ") for line in lines) == 1
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in lines[-1]


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", "lilm.log")
    }


@pytest.fixture
def edited(small_recipe: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the small recipe, changed by a function; its Japanese source is a file."""

    def make(change: Callable[[dict[str, object]], None]) -> Path:
        recipe = tomlkit.parse(small_recipe.read_text()).unwrap()
        change(recipe)
        path = tmp_path / "lilm.toml"
        path.write_text(tomlkit.dumps(recipe))
        return path

    return make


def with_file(path: str) -> Callable[[dict[str, object]], None]:
    def change(recipe: dict[str, object]) -> None:
        source = {"name": "mine", "lang": "ja", "format": "text", "path": path}
        recipe["corpus"]["sources"][0] = source  # type: ignore[index]

    return change


def test_a_missing_source(edited: Callable[..., Path], tmp_path: Path) -> None:
    result = run_lilm("run", "--recipe", edited(with_file("nothing/*.txt")), "--run", tmp_path / "run")
    assert_one_line(result, "nothing/*.txt")
    assert not (tmp_path / "run").exists()


def test_an_empty_source(edited: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    result = run_lilm("run", "--recipe", edited(with_file("empty.txt")), "--run", tmp_path / "run")
    assert_one_line(result, "empty.txt")
    assert not (tmp_path / "run").exists()


def test_undecodable_bytes(edited: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes("日本語の文章です。".encode() * 20 + b"\xff\xfe\xfd" + "続き".encode())
    result = run_lilm("run", "--recipe", edited(with_file("bad.txt")), "--run", tmp_path / "run")
    assert_one_line(result, "bad.txt", "540")
    assert not (tmp_path / "run").exists()


def test_a_typo_in_the_recipe(edited: Callable[..., Path], tmp_path: Path) -> None:
    path = edited(lambda recipe: recipe.update(langauge="ja"))
    assert_one_line(run_lilm("run", "--recipe", path, "--run", tmp_path / "run"), "langauge", "language")
    assert not (tmp_path / "run").exists()


def test_no_recipe_at_all(tmp_path: Path) -> None:
    assert_one_line(run_lilm("run", "--recipe", "quikstart"), "quikstart", "quickstart")


def test_corrupt_safetensors_of_the_base(edited: Callable[..., Path], finished_run: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(finished_run / "base", base)
    weights = base / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    path = edited(lambda recipe: recipe.update(base={"kind": "path", "path": str(base)}))
    assert_one_line(run_lilm("run", "--recipe", path, "--run", tmp_path / "run"), "model.safetensors", "corrupt")
    assert not (tmp_path / "run").exists()


def test_a_damaged_stage_is_named_and_the_run_left_alone(finished_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    weights = run / "finetune" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    before = snapshot(run)
    result = run_lilm("export", "--run", run, "--force")
    assert_one_line(result, "model.safetensors", "--from finetune")
    assert snapshot(run) == before


@pytest.mark.parametrize("damage", ["cut", "text"])
def test_a_corrupt_gguf_for_chat(finished_run: Path, tmp_path: Path, damage: str) -> None:
    whole = (finished_run / "export" / "model-Q4_K_M.gguf").read_bytes()
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(whole[:100_000] if damage == "cut" else b"hello" * 1000)
    assert_one_line(run_lilm("chat", bad), "bad.gguf")


def test_a_site_that_is_not_there(tmp_path: Path) -> None:
    assert_one_line(run_lilm("serve", tmp_path), str(tmp_path), "lilm")


def test_no_emscripten(small_recipe: Path, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{tmp_path}"
    env = {"PATH": path, "EMSDK": "", "LILM_CACHE": str(tmp_path / "cache")}
    result = run_lilm("run", "--recipe", small_recipe, "--run", tmp_path / "run", env=env)
    assert_one_line(result, "emcc", "apt-get install")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_no_disk_space(small_recipe: Path, small_disk: Path) -> None:
    result = run_lilm("run", "--recipe", small_recipe, "--run", small_disk / "run")
    assert_one_line(result, "space")
    kept = [path for path in (small_disk / "run").iterdir() if path.is_dir() and path.name != ".work"]
    assert all((path / "manifest.json").is_file() for path in kept), "no stage is half-written"
    subprocess.run(["mount", "-o", "remount,size=60m", small_disk], check=True)
    again = run_lilm("run", "--recipe", small_recipe, "--run", small_disk / "run", "--to", "base")
    assert again.returncode == 0, again.stderr
