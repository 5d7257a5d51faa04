"""64-bit memory: taken for what 4 GiB do not hold, in browsers that have it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.fit.model import read_model
from lilm.progress import Reporter
from lilm.recipe import WasmConfig
from lilm.wasm.build import build_variant
from lilm.wasm.javascript import runtime_dir
from lilm.wasm.limits import usable_bytes
from lilm.wasm.memory import MIB
from lilm.wasm.stage import memory_table
from lilm.wasm.toolchain import Toolchain
from lilm.wasm.variants import Variant
from lilm.wasm.verify.node import runs_in_node

GIB = 1 << 30
COMPLETE = """
    const model = await load("m.gguf", { base: "./", keep: false, threads: 2 });
    const { text } = await model.complete("S", { temperature: 0, repeat_penalty: 1, n_predict: 40 });
    return { text, ...(await model.stats()) };
"""


@pytest.mark.parametrize("relaxed", [True, False], ids=["relaxed", "plain"])
def test_a_model_that_needs_more_than_4_gib_runs_in_chromium(
    relaxed: bool,
    newest: Toolchain,
    tmp_path: Path,
    speller_writer: Callable[..., Path],
    spelled: str,
    in_chromium: Callable[..., dict[str, Any]],
) -> None:
    """Its context alone has 4.5 GiB, so that its last layer and all that is computed lie beyond 32 bits."""
    n_ctx = 1_900_032
    model = speller_writer(tmp_path / "m.gguf", cycle=False, n_ctx_train=n_ctx)
    config = WasmConfig(variants=("threads",), memory64=True, n_ctx=n_ctx, n_batch=32, max_threads=2)
    variants: list[Variant] = ["threads-memory64", *(["threads-memory64-relaxed"] if relaxed else [])]  # type: ignore[list-item]
    cores = [build_variant(variant, Reporter(quiet=True), toolchain=newest) for variant in variants]
    table = memory_table(config, {model.name: read_model(model)}, {core.variant: core for core in cores})
    (row,) = [one for one in table["models"]["m.gguf"]["threads"] if one["n_ctx"] == n_ctx]
    assert "a browser gives 4 GiB" in row["reason"]
    for core in cores:
        core.copy_to(tmp_path / core.variant)
    answer = in_chromium(tmp_path, table, COMPLETE)
    assert answer["text"] == spelled
    assert answer["variant"] == "threads-memory64"
    assert answer["relaxed_simd"] == relaxed
    assert answer["heap_bytes"] > 4.5 * GIB


def plan(table: dict[str, Any], **wish: Any) -> Any:
    """What runtime/core.mjs plans, or its error's message."""
    wish = {"name": "m", "variant": "threads", "lora_bytes": 0, "threads": 2, "n_ctx": 512, "n_batch": 64, **wish}
    script = f"""import {{ planMemory }} from "{(runtime_dir() / "core.mjs").as_uri()}";
        try {{ console.log(JSON.stringify(planMemory({json.dumps(table)}, {json.dumps(wish)}))); }}
        catch (error) {{ console.log(JSON.stringify(error.message)); }}"""
    command = ["node", "--input-type=module", "-e", script]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_64_bit_memory_is_taken_only_where_32_bits_do_not_do() -> None:
    variants = ["threads", "threads-memory64"]
    limits = {variant: usable_bytes(variant) for variant in (*variants, "single")}
    table = {"n_ctx": 512, "n_batch": 64, "threads": 2, "limits": limits, "models": {}, "variants": variants}
    small = plan(table, file_bytes=100 * MIB)
    assert small["variant"] == "threads"
    assert small["maximum_bytes"] == usable_bytes("threads"), "what is not in the table grows to the limit"
    big = plan(table, file_bytes=5 * GIB)
    if runs_in_node("threads-memory64"):
        assert big["variant"] == "threads-memory64"
        assert big["initial_bytes"] > 5 * GIB
        assert big["maximum_bytes"] == usable_bytes("threads-memory64")
        assert "ends at 16 GiB" in plan(table, file_bytes=17 * GIB)
    else:
        assert "ends at 4 GiB" in big
    assert "ends at 4 GiB" in plan({**table, "variants": ["threads"]}, file_bytes=5 * GIB)
    assert "ends at 4 GiB" in plan(table, file_bytes=5 * GIB, variant="single")


def test_an_old_compiler_says_that_it_cannot() -> None:
    old = Toolchain(Path("emcc"), (3, 1, 6), Path("x.cmake"), Path("cmake"), None, Path("node"))
    with pytest.raises(LilmError, match=r"Emscripten 3\.1\.6 cannot build for 64-bit memory.*lilm wasm toolchain"):
        build_variant("threads-memory64", Reporter(quiet=True), toolchain=old)


def test_64_bit_memory_without_threads_is_refused() -> None:
    with pytest.raises(ValueError, match='memory64 needs "threads" in variants'):
        WasmConfig(variants=("single",), memory64=True)
