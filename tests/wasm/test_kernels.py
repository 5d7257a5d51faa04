"""Our kernels give what ggml's generic ones give, for every type, shape and kind of data, in both builds."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilm.progress import Reporter
from lilm.wasm import build
from lilm.wasm.source import prepare_source
from lilm.wasm.toolchain import Toolchain, find_toolchain
from lilm.wasm.variants import Variant
from lilm.wasm.verify.chromium import NAMES, ask_page, serving

CHECK = Path(__file__).parent / "kernels"
TYPES = ("q4_0", "q5_0", "q8_0", "iq4_nl", "q3_K", "q4_K", "q5_K", "q6_K")
KINDS = ("random", "zeros", "huge", "tiny", "alternating", "spikes", "bits")


def newest_node() -> str | None:
    """$LILM_NODE (a newer one than PATH's), or the one on PATH, when it runs relaxed SIMD and 64-bit memory."""
    node = os.environ.get("LILM_NODE") or shutil.which("node")
    script = "process.exit(Number(process.versions.node.split('.')[0]) >= 24 ? 0 : 1)"
    return node if node and subprocess.run([node, "-e", script], check=False).returncode == 0 else None


PAGE = """<!doctype html><script>
    const lines = [];
    const tell = (answer) => fetch("/result", { method: "POST", body: JSON.stringify(answer) });
    addEventListener("error", ({ message }) => void tell({ error: message }));
    addEventListener("unhandledrejection", ({ reason }) => void tell({ error: String(reason) }));
    var Module = { print: (line) => void lines.push(line), onExit: () => void tell({ lines }) };
</script><script src="check.js"></script>"""


def printed(node: str, program: Path) -> list[str]:
    run = subprocess.run([node, str(program)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def printed_in_chromium(program: Path) -> list[str]:
    program.with_name("index.html").write_text(PAGE)
    with serving(program.parent) as server:
        lines: list[str] = ask_page(server, "index.html", {}, patience=120)["lines"]
    return lines


@pytest.fixture(scope="module", params=["plain", "relaxed"])
def results(
    request: pytest.FixtureRequest, wasm_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], float]]:
    """check.c's worst differences, by type and kind of data."""
    tools: Toolchain = request.getfixturevalue("newest") if request.param == "relaxed" else find_toolchain()
    node: str | None = str(tools.node)
    in_chromium = False
    flags = ["-O2", "-msimd128", "-pthread", "-fwasm-exceptions", "-DNDEBUG"]
    variant: Variant = "threads"
    if request.param == "relaxed":
        node = newest_node()
        in_chromium = node is None
        if in_chromium and not any(map(shutil.which, NAMES)):
            pytest.skip("node older than 24, and no Chromium")
        flags += ["-mrelaxed-simd", "-sMEMORY64=1"]
        variant = "threads-memory64"  # which other tests of the new Emscripten build as well
    build.build_variant(variant, Reporter(quiet=True), toolchain=tools)
    source, key = prepare_source()
    ggml = build.work_dir(variant, tools, key) / "llama.cpp" / "ggml" / "src"
    if not (ggml / "libggml-cpu.a").is_file():
        pytest.skip("the core came from the cache, without ggml's libraries")
    paths = [build.glue_dir(), *(source / "ggml" / inside for inside in ("include", "src", "src/ggml-cpu"))]
    program = tmp_path_factory.mktemp("kernels") / "check.js"
    command = [str(tools.emcc), *flags, *(f"-I{path}" for path in paths)]
    command += [str(path) for path in sorted(CHECK.glob("*.c"))]
    command += [str(path) for path in sorted((build.glue_dir() / "kernels").glob("*.c"))]
    command += [str(ggml / "libggml-cpu.a"), str(ggml / "libggml-base.a"), "-o", str(program)]
    command += [
        "-sENVIRONMENT=node,web,worker",
        "-sSINGLE_FILE=1",
        "-sINITIAL_MEMORY=67108864",
        "-sPROXY_TO_PTHREAD=1",  # a page must not wait for threads
        "-sPTHREAD_POOL_SIZE=3",
        "-sEXIT_RUNTIME=1",  # or node waits for them
        f"-s{tools.stack_setting}=2097152",
        "-sDEFAULT_PTHREAD_STACK_SIZE=2097152",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=tools.environment(), check=False)
    assert done.returncode == 0, done.stderr
    lines = [
        json.loads(line) for line in (printed_in_chromium(program) if in_chromium else printed(str(node), program))
    ]
    yield {(line["type"], line["kind"]): line["worst"] for line in lines}


@pytest.mark.parametrize("quant", TYPES)
def test_kernels_agree_with_the_generic_ones(quant: str, results: dict[tuple[str, str], float]) -> None:
    worst = {kind: results[quant, kind] for kind in KINDS}
    assert max(worst.values()) < 1e-6, worst  # of the sum of the products' sizes: the order of f32 additions


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("quant", TYPES)
def test_products_in_a_graph_are_those_of_the_generic_kernels(
    quant: str, threads: int, results: dict[tuple[str, str], float]
) -> None:
    assert results[quant, f"by {threads} threads"] < 1e-6


def test_activations_are_rounded_as_the_generic_conversion_rounds_them(
    results: dict[tuple[str, str], float],
) -> None:
    assert [results["rounding", kind] for kind in KINDS if kind != "bits"] == [0] * 6


def test_attention_is_that_of_sums_in_double(results: dict[tuple[str, str], float]) -> None:
    worst = {kind: difference for (name, kind), difference in results.items() if name == "attention"}
    assert len(worst) == 8
    assert max(worst.values()) < 2e-6, worst
