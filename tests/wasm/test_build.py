"""The build: the same bytes again, another key for another input, the line that matters when it fails."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lilm.pipeline.hashing import sha256_file
from lilm.progress import Reporter
from lilm.wasm import build
from lilm.wasm.javascript import runtime_dir
from lilm.wasm.toolchain import find_toolchain
from lilm.wasm.variants import with_relaxed


def test_linking_again_from_another_installation_gives_the_same_bytes(
    wasm_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build.build_variant("threads", Reporter(quiet=True))
    assert first.cached
    hashes = {name: sha256_file(first.folder / name) for name in first.files}
    aside = first.folder.with_name("aside")
    first.folder.rename(aside)
    for tree in first.folder.parent.glob("tree-threads-*/out"):
        for path in tree.iterdir():
            path.unlink()
    shutil.copytree(build.glue_dir(), tmp_path / "src")
    monkeypatch.setattr(build, "glue_dir", lambda: tmp_path / "src")
    try:
        again = build.build_variant("threads", Reporter(quiet=True))
        assert not again.cached
        assert {name: sha256_file(again.folder / name) for name in again.files} == hashes
    finally:
        if first.folder.exists():
            for path in aside.iterdir():
                path.unlink()
            aside.rmdir()
        else:
            aside.rename(first.folder)


def test_no_path_of_this_machine_is_in_the_module(wasm_dir: Path) -> None:
    core = (wasm_dir / "threads" / "lilm-core.wasm").read_bytes()
    assert b"llama.cpp/ggml/src/ggml.c" in core  # where an assertion would say it comes from
    assert str(Path.home()).encode() + b"/" not in core
    assert str(build.glue_dir().resolve()).encode() not in core


def test_every_input_is_in_the_key(wasm_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = find_toolchain()
    keys = [
        build.build_key(tools, "threads", 2 << 20, "source"),
        build.build_key(tools, "single", 2 << 20, "source"),
        build.build_key(tools, "threads-relaxed", 2 << 20, "source"),
        build.build_key(tools, "threads", 4 << 20, "source"),
        build.build_key(tools, "threads", 2 << 20, "other"),
    ]
    monkeypatch.setitem(build.LLAMA_OPTIONS, "GGML_CPU_REPACK", "ON")
    keys.append(build.build_key(tools, "threads", 2 << 20, "source"))
    assert len(set(keys)) == len(keys)


def test_all_of_the_glue_is_in_the_key() -> None:
    files = {path.relative_to(build.glue_dir()).as_posix() for path in build.glue_dir().rglob("*") if path.is_file()}
    assert files == set(build.glue_files())
    assert "kernels/gemm.c" in files


def test_relaxed_builds_come_with_a_compiler_that_has_them() -> None:
    tools = find_toolchain()
    old, new = replace(tools, version=(3, 1, 6)), replace(tools, version=(6, 0, 5))
    assert with_relaxed(["threads"], old) == ("threads",)
    assert with_relaxed(["threads", "single"], new) == ("threads", "single", "threads-relaxed", "single-relaxed")


@pytest.mark.parametrize(
    ("line", "percent"),
    [("[3/60] Building CXX object x.o", 5), ("[ 50%] Building C object", 50), ("warning: [3/60]", None)],
)
def test_progress_is_read_from_ninja_and_make(line: str, percent: int | None) -> None:
    assert build.progress_percent(line) == percent


def test_a_failed_build_tells_the_cause(tmp_path: Path) -> None:
    log = tmp_path / "build.log"
    log.write_text("[1/9] Building\nsrc/a.cpp:3:1: error: no member named 'x'\nninja: build stopped\n")
    assert "src/a.cpp:3:1: error: no member named 'x'" in build.failure("the build", log).line()
    assert str(log) in build.failure("the build", log).line()


def test_threads_start_from_the_cores_own_script(tmp_path: Path) -> None:
    """As new Emscriptens write it; the worker that imports the script is another one."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "lilm-core.wasm").write_bytes(b"")
    (out / "lilm-core.js").write_text("} else if (ENVIRONMENT_IS_WORKER) {\n  _scriptName = self.location.href;\n}\n")
    build.install(out, tmp_path / "core")
    assert (
        '_scriptName = moduleArg["lilmScript"] ?? self.location.href;' in (tmp_path / "core/lilm-core.js").read_text()
    )
    assert "lilmScript: script" in (runtime_dir() / "core.mjs").read_text()
