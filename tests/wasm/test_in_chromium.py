"""A model is loaded in Chromium within exactly its computed memory, and refused when that is too little."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest

from lilm.errors import LilmError
from lilm.fit.browser import Use
from lilm.fit.model import read_model
from lilm.progress import Reporter
from lilm.wasm.build import build_variant
from lilm.wasm.memory import MIB, plan_memory
from lilm.wasm.toolchain import Toolchain
from lilm.wasm.variants import RELAXED, Variant
from lilm.wasm.verify.chromium import NAMES
from lilm.wasm.verify.in_chromium import verify_in_chromium

PLAIN = {relaxed: plain for plain, relaxed in RELAXED.items()}
pytestmark = pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="no Chromium")


@pytest.mark.parametrize(
    ("variant", "kv_type"),
    [("threads-memory64", "f16"), ("threads-memory64-relaxed", "f16"), ("threads-memory64-relaxed", "q8_0")],
)
def test_the_computed_memory_is_enough_in_chromium(
    variant: Variant, kv_type: str, newest: Toolchain, tmp_path: Path, llama_writer: Callable[..., Path]
) -> None:
    """By a new Emscripten, whose threads start otherwise in browsers; the stage's own test has the one in use."""
    pieces = [(f"<0x{byte:02X}>", 6) for byte in range(256)]
    kind = gguf.GGMLQuantizationType.Q8_0
    path = llama_writer(tmp_path / "m.gguf", pieces=pieces, n_embd=512, n_ff=1408, n_layer=12, kind=kind)
    sizes: dict[str, Any] = {"n_ctx": 512, "n_batch": 128, "threads": 2, "kv_type": kv_type}
    memory = plan_memory(read_model(path), Use(n_batch=128, threads=2, stack_bytes=2 * MIB, kv_type=kv_type), 512)
    plain, core = (
        build_variant(one, Reporter(quiet=True), toolchain=newest)
        for one in (variant.removesuffix("-relaxed"), variant)
    )
    proof = verify_in_chromium(path, core, plain, memory, **sizes)
    assert proof.filled == 512
    assert proof.heap_bytes == memory.initial_bytes
    assert proof.relaxed_simd == variant.endswith("-relaxed")
    less = replace(memory, initial_bytes=memory.initial_bytes - 16 * MIB)
    with pytest.raises(LilmError, match="does not fit the"):
        verify_in_chromium(path, core, plain, less, **sizes)
