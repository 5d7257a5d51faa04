"""The computed memory is enough, not much more than enough, and refused where a browser has not got it."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gguf
import pytest

from lilm.errors import LilmError
from lilm.wasm.memory import MIB, Shape, context_length, plan_memory, read_shape
from lilm.wasm.node import WasmError, run_node

SHAPES = {
    "wide": {"n_embd": 1024, "n_ff": 2816, "n_layer": 2, "vocab": 500},
    "deep": {"n_embd": 256, "n_ff": 512, "n_layer": 24, "vocab": 500},
    "many words": {"n_embd": 256, "n_ff": 768, "n_layer": 2, "vocab": 60_000},
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("n_ctx", "n_batch", "threads"), [(300, 64, 1), (2048, 256, 2)])
def test_the_memory_holds_a_full_context_and_little_is_left(
    name: str, n_ctx: int, n_batch: int, threads: int, wasm_dir: Path, tmp_path: Path, llama_writer: Callable[..., Path]
) -> None:
    shape_of = dict(SHAPES[name])
    pieces = [(f"▁{word}", 1) for word in range(shape_of.pop("vocab"))]
    path = llama_writer(tmp_path / "m.gguf", pieces=pieces, **shape_of, kind=gguf.GGMLQuantizationType.Q8_0)
    shape = read_shape(path)
    memory = plan_memory(shape, n_ctx=n_ctx, n_batch=n_batch, threads=threads, stack_bytes=2 * MIB)
    exactly = {"initial_bytes": memory.initial_bytes, "maximum_bytes": memory.initial_bytes}
    run = {"tokens": [3 + i % 400 for i in range(context_length(shape, n_ctx) - 3)], "temperature": 0, "n_predict": -1}
    answer = run_node(
        path, wasm_dir, [run | {"ignore_eos": True}], memory=exactly, n_ctx=n_ctx, n_batch=n_batch, threads=threads
    )
    assert answer.runs[0].stop_reason == "context_full"
    assert answer.stats["n_ctx_used"] == context_length(shape, n_ctx)
    assert answer.stats["heap_bytes"] == max(32 * MIB, memory.initial_bytes)  # it did not grow
    over = memory.initial_bytes - answer.stats["heap_top"]
    assert over < max(6 * MIB, 0.25 * answer.stats["heap_top"]), f"{over / MIB:.1f} MiB too much"


def test_too_little_memory_is_a_plain_error(wasm_dir: Path, tmp_path: Path, llama_writer: Callable[..., Path]) -> None:
    path = llama_writer(
        tmp_path / "m.gguf", pieces=[(f"▁{word}", 1) for word in range(300)], n_embd=1024, n_ff=4096, n_layer=4
    )
    with pytest.raises(WasmError) as caught:
        run_node(path, wasm_dir, [], memory={"initial_bytes": 64 * MIB, "maximum_bytes": 64 * MIB})
    assert caught.value.kind == "out_of_memory"


TINYLLAMA = Shape(
    n_vocab=51_520, n_embd=2048, n_ff=5632, n_layer=22, n_head=32, n_head_kv=4, head_k=64, head_v=64,
    n_ctx_train=1 << 20, n_tensors=201, weights_bytes=725_000_000, file_bytes=727_000_000,
)  # fmt: skip
USUAL = {"n_batch": 256, "threads": 8, "stack_bytes": 2 * MIB}


def test_more_context_than_fits_is_refused_with_what_fits() -> None:
    with pytest.raises(LilmError, match="browser gives 4 GiB") as caught:
        plan_memory(TINYLLAMA, n_ctx=200_000, **USUAL, where="big.gguf")
    offered = re.search(r"set wasm.n_ctx to (\d+) or less", caught.value.line())
    assert offered is not None
    assert plan_memory(TINYLLAMA, n_ctx=int(offered[1]), **USUAL).maximum_bytes < 4096 * MIB
    with pytest.raises(LilmError):
        plan_memory(TINYLLAMA, n_ctx=int(offered[1]) + 1, **USUAL)


def test_weights_that_never_fit_are_refused() -> None:
    with pytest.raises(LilmError, match=r"quantisation that is at least \d+ MiB smaller"):
        plan_memory(replace(TINYLLAMA, weights_bytes=4_400_000_000), n_ctx=512, **USUAL)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF\3\0\0\0" + b"\0" * 9)
    with pytest.raises(LilmError, match=r"x\.gguf: not a whole GGUF file"):
        read_shape(tmp_path / "x.gguf")
