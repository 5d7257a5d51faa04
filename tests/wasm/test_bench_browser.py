"""`lilm bench browser` on a model small enough to be over in seconds: every engine is asked, and told apart."""

import shutil
import tempfile
from pathlib import Path

import pytest

from lilm.errors import LilmError
from lilm.llama.shape import Shape
from lilm.progress import Reporter
from lilm.wasm.bench import browser, peer, shapes
from lilm.wasm.bench.real import divergences
from lilm.wasm.build import build_variant
from lilm.wasm.toolchain import toolchains
from lilm.wasm.verify.chromium import NAMES, ask_page, serving

TINY = Shape(
    vocab=1024, hidden=256, intermediate=512, layers=2, heads=4, kv_heads=2, head_dim=64, tied=True, context=2048
)
needs_chromium = pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="no Chromium")


@needs_chromium
def test_three_engines_are_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try:
        peer.wllama()
    except LilmError as error:
        pytest.skip(f"nothing to compare with: {error}")
    monkeypatch.setitem(shapes.SHAPES, "tiny", TINY)
    monkeypatch.setattr(shapes, "cache_dir", lambda: tmp_path)
    for name, small in {"PROMPT": 40, "PREDICT": 6, "ROUNDS": 1}.items():
        monkeypatch.setattr(browser, name, small)
    found = browser.measure(Reporter(quiet=True), "tiny", types=("Q4_0",), launches=1)
    compilers = [tools.version_text for tools in toolchains()]
    assert [(run["threads"], run["emscripten"]) for run in found["runs"]] == [
        (count, version) for count in sorted({1, found["cores"]}) for version in compilers
    ]
    assert found["kld_vs_native"] is None
    for run in found["runs"]:
        assert {key: [run[key]] for key in run["launches"]} == run["launches"]
        assert all(
            run[f"{engine}_{speed}"] > 0 for engine in ("ours", "wllama", "native") for speed in ("prefill", "decode")
        )
    assert found["busy_decode_ratio"] > 0
    assert 0 < found["wasm_gzip_bytes"] < 1_200_000
    assert 0 < found["page_gzip_bytes"] < 300_000
    assert found["reload_s"] > 0
    assert found["peak_memory_ratio"] > 1


@needs_chromium
def test_what_a_page_says_is_an_error_here(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("""<!doctype html><script type="module">
        await fetch("/result", {method: "POST", body: JSON.stringify({error: "no memory for " + location.search})});
    </script>""")
    with serving(tmp_path) as server, pytest.raises(LilmError, match=r"no memory for \?model=a"):
        ask_page(server, "index.html", {"model": "a"})


@needs_chromium
def test_chromium_leaves_no_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("""<!doctype html><script type="module">
        await fetch("/result", {method: "POST", body: "{}"});
    </script>""")
    with tempfile.TemporaryDirectory() as temporary:  # short, as the names of Chromium's sockets must be
        monkeypatch.setenv("TMPDIR", temporary)
        monkeypatch.setattr("tempfile.tempdir", temporary)
        with serving(tmp_path) as server:
            ask_page(server, "index.html", {})
        assert not list(Path(temporary).iterdir())


def test_another_archive_than_the_known_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text('#!/bin/sh\necho other > "$4/other.tgz"\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(peer, "cache_dir", lambda: tmp_path / "cache")
    with pytest.raises(LilmError, match="sha256 is"):
        peer.wllama()
    assert not list((tmp_path / "cache").rglob("*.tgz"))


def test_an_unknown_shape_is_named() -> None:
    with pytest.raises(LilmError, match="no shape 'm7'"):
        browser.measure(Reporter(quiet=True), "m7")


def test_the_divergence_is_measured_on_a_real_model(shared_data: Path, wasm_dir: Path) -> None:
    found = divergences(shared_data, build_variant("threads", Reporter(quiet=True)))
    assert 0 < found["kld_vs_native"] <= 1e-4
    assert set(found["kld_by_type"]) == {"Q8_0", "Q4_0"}


def test_data_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(LilmError, match=r"no model/\*-hf"):
        divergences(tmp_path, build_variant("threads", Reporter(quiet=True)))
