"""64-bit memory: taken for what 4 GiB do not hold, in browsers that have it."""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.hashing import write_json
from lilm.progress import Reporter
from lilm.recipe.deliver import WasmConfig
from lilm.wasm.bench.chromium import NAMES, ask_page, serving
from lilm.wasm.build import BuiltCore, build_variant
from lilm.wasm.memory import MIB, read_shape
from lilm.wasm.node import runs_in_node, runtime_dir
from lilm.wasm.stage import RUNTIME, memory_table
from lilm.wasm.toolchain import Toolchain
from lilm.wasm.variants import Variant

GIB = 1 << 30
LOAD = """<!doctype html><script type="module">
    const tell = (answer) => fetch("/result", { method: "POST", body: JSON.stringify(answer) });
    try {
      const { load } = await import("./runtime/lilm.mjs");
      const model = await load("m.gguf", { base: "./", keep: false, threads: 2 });
      const { text } = await model.complete("S", { temperature: 0, repeat_penalty: 1, n_predict: 40 });
      await tell({ text, ...(await model.stats()) });
    } catch (error) {
      await tell({ failed: error.message });
    }
</script>"""


def lay_out(root: Path, table: dict[str, Any], cores: Sequence[BuiltCore]) -> None:
    """A folder to serve with m.gguf in it."""
    (root / "runtime").mkdir()
    for name in RUNTIME:
        shutil.copyfile(runtime_dir() / name, root / "runtime" / name)
    for core in cores:
        core.copy_to(root / core.variant)
    write_json(root / "memory.json", table)
    (root / "index.html").write_text(LOAD)


@pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="no Chromium")
@pytest.mark.parametrize("relaxed", [True, False], ids=["relaxed", "plain"])
def test_a_model_that_needs_more_than_4_gib_runs_in_chromium(
    relaxed: bool, newest: Toolchain, tmp_path: Path, speller_writer: Callable[..., Path], spelled: str
) -> None:
    """Its context alone has 4.5 GiB, so that its last layer and all that is computed lie beyond 32 bits."""
    n_ctx = 1_900_032
    model = speller_writer(tmp_path / "m.gguf", cycle=False, n_ctx_train=n_ctx)
    config = WasmConfig(variants=("threads",), memory64=True, n_ctx=n_ctx, n_batch=32, max_threads=2)
    variants: list[Variant] = ["threads-memory64", *(["threads-memory64-relaxed"] if relaxed else [])]  # type: ignore[list-item]
    cores = [build_variant(variant, Reporter(quiet=True), toolchain=newest) for variant in variants]
    table = memory_table(config, {model.name: read_shape(model)}, {core.variant: core for core in cores})
    (row,) = [one for one in table["models"]["m.gguf"]["threads"] if one["n_ctx"] == n_ctx]
    assert "a browser gives 4 GiB" in row["reason"]
    lay_out(tmp_path, table, cores)
    with serving(tmp_path) as server:
        answer = ask_page(server, "index.html", {}, patience=120)
    assert "failed" not in answer, answer["failed"]
    assert answer["text"] == spelled
    assert answer["variant"] == "threads-memory64"
    assert answer["relaxed_simd"] == relaxed
    assert answer["heap_bytes"] > 4.5 * GIB


def plan(table: dict[str, Any], **wish: Any) -> Any:
    """What runtime/core.mjs plans, or its error's message."""
    wish = {"name": "m", "variant": "threads", "threads": 2, "n_ctx": 512, "n_batch": 64, **wish}
    script = f"""import {{ planMemory }} from "{(runtime_dir() / "core.mjs").as_uri()}";
        try {{ console.log(JSON.stringify(planMemory({json.dumps(table)}, {json.dumps(wish)}))); }}
        catch (error) {{ console.log(JSON.stringify(error.message)); }}"""
    command = ["node", "--input-type=module", "-e", script]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_64_bit_memory_is_taken_only_where_32_bits_do_not_do() -> None:
    table = {"n_ctx": 512, "n_batch": 64, "threads": 2, "models": {}, "variants": ["threads", "threads-memory64"]}
    assert plan(table, file_bytes=100 * MIB)["variant"] == "threads"
    big = plan(table, file_bytes=5 * GIB)
    if runs_in_node("threads-memory64"):
        assert big["variant"] == "threads-memory64"
        assert big["initial_bytes"] > 5 * GIB
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
