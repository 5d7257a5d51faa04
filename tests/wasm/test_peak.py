"""The reckoned memory is within 3% of the peak that is measured, natively, in node and in Chromium."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest

from lilm.fit.browser import Use, browser_parts
from lilm.fit.measure import native_peak
from lilm.fit.model import read_model
from lilm.progress import Reporter
from lilm.wasm.build import build_variant
from lilm.wasm.memory import MIB
from lilm.wasm.verify.chromium import NAMES
from lilm.wasm.verify.node import run_node
from lilm.wasm.verify.peak import chromium_peak

MOST = 0.03  # share of what the model adds
N_CTX = 512


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, llama_writer: Callable[..., Path]) -> Path:
    """About 100 MB, so that what differs from system to system is little of it; most are rows of words, which cost no
    time."""
    pieces = [(f"<0x{byte:02X}>", 6) for byte in range(256)] + [(f"▁{word}", 1) for word in range(40_000)]
    kind = gguf.GGMLQuantizationType.Q8_0
    path = tmp_path_factory.mktemp("peak") / "m.gguf"
    return llama_writer(path, pieces=pieces, n_embd=768, n_ff=2048, n_layer=4, kind=kind)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is known on Linux alone")
@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_native(model: Path, kv_type: str) -> None:
    peak = native_peak(model, N_CTX, kv_type)
    assert 20 * MIB < peak.base < 200 * MIB
    assert abs(peak.error) < MOST, f"{peak} {peak.error:+.1%}"


def test_node(model: Path, wasm_dir: Path) -> None:
    use = Use(n_batch=256, threads=2, stack_bytes=2 * MIB)
    run = {"tokens": [3 + i % 400 for i in range(N_CTX - 3)], "temperature": 0, "n_predict": -1, "ignore_eos": True}
    stats = run_node(model, wasm_dir, [run], n_ctx=N_CTX, n_batch=use.n_batch, threads=use.threads).stats
    assert stats["n_ctx_used"] == N_CTX
    reckoned = browser_parts(read_model(model), use, N_CTX).total
    assert abs(reckoned / stats["heap_top"] - 1) < MOST, f"{reckoned / stats['heap_top'] - 1:+.1%}"


@pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="no Chromium")
def test_chromium(model: Path, wasm_dir: Path) -> None:
    core = build_variant("threads", Reporter(quiet=True))
    peak, process = chromium_peak(model, core, core, Use(n_batch=256, threads=2, stack_bytes=2 * MIB), N_CTX)
    assert abs(peak.error) < MOST, f"{peak} {peak.error:+.1%}"
    assert process > 0.9 * peak.measured
