"""The computed memory is enough, not much more than enough, and refused where a browser has not got it."""

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gguf
import pytest
from rich.console import Console

from lilm.errors import LilmError
from lilm.fit.browser import Use
from lilm.fit.model import Model, read_model
from lilm.fit.parts import context_length
from lilm.llama.shape import Shape
from lilm.pipeline.artifact import Manifest, describe_outputs
from lilm.wasm.javascript import runtime_dir
from lilm.wasm.limits import usable_bytes
from lilm.wasm.memory import MIB, memory_rows, plan_memory
from lilm.wasm.memory_report import memory_report
from lilm.wasm.stage import exported
from lilm.wasm.verify.node import WasmError, run_node

SHAPES = {
    "wide": {"n_embd": 1024, "n_ff": 2816, "n_layer": 2, "vocab": 500},
    "deep": {"n_embd": 256, "n_ff": 512, "n_layer": 24, "vocab": 500},
    "many words": {"n_embd": 256, "n_ff": 768, "n_layer": 2, "vocab": 60_000},
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    ("n_ctx", "n_batch", "threads", "kv_type"), [(300, 64, 1, "f16"), (2048, 256, 2, "f16"), (2048, 256, 2, "q8_0")]
)
def test_the_memory_holds_a_full_context_and_little_is_left(
    name: str,
    n_ctx: int,
    n_batch: int,
    threads: int,
    kv_type: str,
    wasm_dir: Path,
    tmp_path: Path,
    llama_writer: Callable[..., Path],
) -> None:
    shape_of = dict(SHAPES[name])
    pieces = [(f"▁{word}", 1) for word in range(shape_of.pop("vocab"))]
    path = llama_writer(tmp_path / "m.gguf", pieces=pieces, **shape_of, kind=gguf.GGMLQuantizationType.Q8_0)
    model = read_model(path)
    memory = plan_memory(model, Use(n_batch, threads, 2 * MIB, kv_type), n_ctx)
    exactly = {"initial_bytes": memory.initial_bytes, "maximum_bytes": memory.initial_bytes}
    run = {
        "tokens": [3 + i % 400 for i in range(context_length(model.shape, n_ctx) - 3)],
        "temperature": 0,
        "n_predict": -1,
    }
    sizes: dict[str, Any] = {"n_ctx": n_ctx, "n_batch": n_batch, "threads": threads, "kv_type": kv_type}
    answer = run_node(path, wasm_dir, [run | {"ignore_eos": True}], memory=exactly, **sizes)
    assert answer.runs[0].stop_reason == "context_full"
    assert answer.stats["n_ctx_used"] == context_length(model.shape, n_ctx)
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


LONG = Shape(51_520, 2048, 5632, 22, 32, 4, 64, tied=False, context=1 << 20)
TINYLLAMA = Model(LONG, n_tensors=201, weights_bytes=725_000_000, file_bytes=727_000_000)
USUAL = Use(n_batch=256, threads=8, stack_bytes=2 * MIB)


def test_more_context_than_fits_is_refused_with_what_fits() -> None:
    with pytest.raises(LilmError, match="browser gives 4 GiB") as caught:
        plan_memory(TINYLLAMA, USUAL, 200_000, "big.gguf")
    offered = re.search(r"set wasm.n_ctx to (\d+) or less", caught.value.line())
    assert offered is not None
    assert plan_memory(TINYLLAMA, USUAL, int(offered[1])).maximum_bytes < 4096 * MIB
    with pytest.raises(LilmError):
        plan_memory(TINYLLAMA, USUAL, int(offered[1]) + 1)


def test_weights_that_never_fit_are_refused() -> None:
    with pytest.raises(LilmError, match=r"quantisation that is at least \d+ MiB smaller"):
        plan_memory(replace(TINYLLAMA, weights_bytes=4_400_000_000), USUAL, 512)


def test_keys_and_values_of_a_byte_let_a_longer_context_fit() -> None:
    halved = replace(USUAL, kv_type="q8_0")
    assert (
        plan_memory(TINYLLAMA, halved, 100_000).kv_bytes == plan_memory(TINYLLAMA, USUAL, 100_000).kv_bytes * 17 // 32
    )
    with pytest.raises(LilmError):
        plan_memory(TINYLLAMA, USUAL, 180_000)
    assert plan_memory(TINYLLAMA, halved, 180_000).initial_bytes < 4096 * MIB


def test_the_table_says_what_each_context_needs_or_why_it_does_not_fit() -> None:
    rows = memory_rows(replace(TINYLLAMA, shape=replace(LONG, context=300_000)), USUAL, 3000)
    assert [row["n_ctx"] for row in rows] == [512, 1024, 2048, 3072, *(1 << bit for bit in range(12, 19)), 300_032]
    needs = [row["initial_bytes"] for row in rows if "reason" not in row]
    assert needs == sorted(needs) and len(needs) == 10  # up to 131,072
    for row in rows[len(needs) :]:
        assert f"at n_ctx {row['n_ctx']}" in row["reason"]
        plan_memory(TINYLLAMA, USUAL, row["longest_n_ctx"])
    assert memory_rows(replace(TINYLLAMA, weights_bytes=5 << 30), USUAL, 512)[0]["longest_n_ctx"] == 0


def test_the_table_is_shown_by_model_and_context() -> None:
    rows = [
        {"n_ctx": 512, "initial_bytes": 100 * MIB, "maximum_bytes": 200 * MIB},
        {"n_ctx": 2048, "reason": "5.00 GiB", "longest_n_ctx": 1024},
    ]
    table = {"variants": ["threads"], "models": {"a.gguf": {"threads": rows}, "b.gguf": {"threads": rows[:1]}}}
    console = Console(width=100, record=True, file=StringIO())
    console.print(memory_report(table))
    lines = [" ".join(line.replace("│", " ").split()) for line in console.export_text().splitlines()]
    assert "a.gguf threads 100 –" in lines
    assert "b.gguf threads 100" in lines


def ask_plan(table: dict[str, Any], **given: Any) -> Any:
    """What runtime/core.mjs plans: bytes to begin with, or the error's message."""
    wish = {"name": "m", "variant": "threads", "file_bytes": 10 * MIB, "lora_bytes": 0, "threads": 2, "n_batch": 64}
    wish |= given
    script = f"""import {{ planMemory }} from "{(runtime_dir() / "core.mjs").as_uri()}";
        try {{ console.log(JSON.stringify(planMemory({json.dumps(table)}, {json.dumps(wish)}).initial_bytes)); }}
        catch (error) {{ console.log(JSON.stringify(error.message)); }}"""
    command = ["node", "--input-type=module", "-e", script]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_the_runtime_takes_the_next_longer_context_of_the_table() -> None:
    rows = [
        {"n_ctx": 512, "initial_bytes": 100 * MIB, "maximum_bytes": 200 * MIB},
        {"n_ctx": 2048, "initial_bytes": 150 * MIB, "maximum_bytes": 250 * MIB},
        {"n_ctx": 4096, "reason": "5.00 GiB of wasm memory at n_ctx 4096", "longest_n_ctx": 3072},
    ]
    model = {"file_bytes": 10 * MIB, "n_ctx_train": 4096, "threads": rows}
    limits = {"threads": usable_bytes("threads")}
    table = {"n_ctx": 512, "n_batch": 64, "threads": 2, "limits": limits, "models": {"m": model}}
    assert ask_plan(table, n_ctx=512) == 100 * MIB
    assert ask_plan(table, n_ctx=513) == 150 * MIB
    assert ask_plan(table, n_ctx=513, lora_bytes=7 * MIB) == 157 * MIB
    for n_ctx in (4096, 9999, 0):
        assert ask_plan(table, n_ctx=n_ctx) == "5.00 GiB of wasm memory at n_ctx 4096; use an n_ctx of 3072 or less"
    grows = 10 * MIB + 32 * MIB  # not in the table: room for the file, and it grows
    assert ask_plan(table, n_ctx=3000) == grows
    assert ask_plan(table, n_ctx=512, threads=3) == grows
    assert ask_plan(table, n_ctx=512, file_bytes=11 * MIB) == grows + MIB
    assert ask_plan(table, n_ctx=3000, lora_bytes=MIB) == grows + MIB


def test_small_reads_are_served_whole_and_read_little_that_nobody_wants() -> None:
    """As stdio reads a model: a header in small pieces, then large tensors with a small read after each."""
    script = f"""import {{ windowed }} from "{(runtime_dir() / "reader.mjs").as_uri()}";
        const file = new Uint8Array(8 << 20).map((_, i) => (i * 2654435761) >>> 24);
        const buffers = new Set();
        let asked = 0, calls = 0, wrong = 0;
        const reader = windowed(file.length, (offset, into) => {{
            const part = file.subarray(offset, offset + into.length);
            into.set(part);
            asked += part.length; calls += 1; buffers.add(into.buffer);
            return part.length;
        }});
        const read = (at, n) => {{
            const into = new Uint8Array(n), got = reader.read(at, into);
            const right = file.subarray(at, at + n);
            if (got !== right.length || right.some((byte, i) => byte !== into[i])) wrong += 1;
        }};
        for (let at = 0; at < 2 << 20; at += 1000) read(at, 1000);
        const header = {{ asked, calls, buffers: buffers.size }};
        for (let at = 3 << 20; at < file.length; at += 512 << 10) {{ read(at, 500_000); read(at + 500_000, 1024); }}
        read(file.length - 10, 5000);
        console.log(JSON.stringify({{ wrong, header, asked, past: reader.read(file.length, new Uint8Array(9)) }}));"""
    command = ["node", "--input-type=module", "-e", script]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["wrong"] == 0 and found["past"] == 0
    assert found["header"]["calls"] < 12 and found["header"]["buffers"] == 1
    assert found["asked"] - found["header"]["asked"] < 10 * (500_000 + (16 << 10)) + (16 << 10)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF\3\0\0\0" + b"\0" * 9)
    with pytest.raises(LilmError, match=r"x\.gguf: truncated GGUF"):
        read_model(tmp_path / "x.gguf")


def test_models_are_those_that_the_export_made(tmp_path: Path) -> None:
    """Not what somebody put beside them: it may be anything."""
    names = ("model-f16.gguf", "model-Q4_0-00001-of-00002.gguf", "model-Q4_0-00002-of-00002.gguf")
    names += ("calibration/imatrix.gguf", "lora/adapter.gguf", "lora/base-Q8_0.gguf", "lora/base-f16.gguf")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    Manifest("export", "0", {}, {}, describe_outputs(tmp_path, ()), (), {}).write(tmp_path)
    for name in ("model-mine.gguf", "lora/base-mine.gguf"):
        (tmp_path / name).write_bytes(b"")
    models, bases = exported(tmp_path)
    assert [path.name for path in models] == ["model-Q4_0-00001-of-00002.gguf", "model-f16.gguf"]
    assert [path.name for path in bases] == ["base-Q8_0.gguf", "base-f16.gguf"]
