"""The source is the sdist's, verified, and patched only when the patches fit."""

import io
import tarfile
from pathlib import Path

import pytest

from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.recipe import WasmConfig
from lilm.wasm import source, stage

NAME = "llama_cpp_python-0.3.36"


def write_sdist(folder: Path, names: tuple[str, ...]) -> Path:
    sdist = folder / f"{NAME}.tar.gz"
    with tarfile.open(sdist, "w:gz") as archive:
        for name in names:
            entry = tarfile.TarInfo(f"{NAME}/vendor/llama.cpp/{name}")
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"x"))
    return sdist


def test_only_what_the_build_reads_is_unpacked(tmp_path: Path) -> None:
    names = (
        "src/llama.cpp",
        "ggml/src/ggml-cuda/a.cu",
        "ggml/src/ggml-cpu/ops.cpp",
        "ggml/src/ggml-quants.c",
        "docs/x",
    )
    source.extract(write_sdist(tmp_path, names), tmp_path / "tree")
    found = {
        path.relative_to(tmp_path / "tree").as_posix() for path in (tmp_path / "tree").rglob("*") if path.is_file()
    }
    assert found == {"src/llama.cpp", "ggml/src/ggml-cpu/ops.cpp", "ggml/src/ggml-quants.c"}


def test_nothing_is_unpacked_outside(tmp_path: Path) -> None:
    with pytest.raises(tarfile.FilterError):
        source.extract(write_sdist(tmp_path, ("src/../../../evil", "src/llama.cpp")), tmp_path / "a" / "tree")
    assert not list(tmp_path.rglob("evil"))


def test_a_changed_sdist_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILM_CACHE", str(tmp_path))
    (tmp_path / "src").mkdir()
    sdist = write_sdist(tmp_path / "src", ("src/llama.cpp",))
    with pytest.raises(LilmError, match=r"sha256 is .* expected .* delete the file") as caught:
        source.fetch_sdist("0.3.36")
    assert str(sdist) in caught.value.line()
    monkeypatch.setitem(source.SDIST_SHA256, "0.3.36", sha256_file(sdist))
    assert source.fetch_sdist("0.3.36") == sdist


def test_what_the_build_needs_is_looked_for_before_the_run(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is built at the end, after hours of training."""
    monkeypatch.setenv("LILM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(LilmError, match=r"pip cannot download llama_cpp_python.* connect to the package index"):
        stage.check_remote(WasmConfig(), context)
    monkeypatch.setattr("lilm.wasm.toolchain.find_toolchain", lambda: None)
    stage.check(WasmConfig(), context)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LilmError, match="`patch` is not installed"):
        stage.check(WasmConfig(), context)


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(LilmError, match=r"no known sdist hash for llama-cpp-python 9\.9\.9"):
        source.fetch_sdist("9.9.9")


def test_a_patch_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    for patch in source.patch_files():
        target = tmp_path / next(line for line in patch.read_text().splitlines() if line.startswith("+++"))[6:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("int other;\n" * 200)
        with pytest.raises(LilmError, match="does not apply"):
            source.apply_patch(tmp_path, patch)


def test_the_tree_is_patched_and_a_changed_patch_makes_another_tree(wasm_dir: Path) -> None:
    tree, key = source.prepare_source()
    quants = (tree / "ggml/src/ggml-cpu/arch/wasm/quants.c").read_text()
    assert quants.count("wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(v))") == 2
    assert "wasm_i32x4_trunc_sat_f32x4(v)" not in quants
    assert "memory_atomic_wait32" in (tree / "ggml/src/ggml-cpu/ggml-cpu.c").read_text()
    assert key in tree.name
