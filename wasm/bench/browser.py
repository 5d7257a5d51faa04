"""Ours, wllama and native llama.cpp on the same files, in turns, medians of several launches."""

import gzip
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import median
from subprocess import Popen
from typing import Any

from rich.table import Table

from lilm.errors import LilmError
from lilm.hashing import write_json
from lilm.llamacpp.engine import Engine
from lilm.progress import Reporter
from lilm.recipe.deliver import WasmConfig
from lilm.wasm.bench.chromium import BenchServer, ask_page, find_chromium, serving
from lilm.wasm.bench.peer import wllama
from lilm.wasm.bench.shapes import N_CTX, SHAPES, random_gguf
from lilm.wasm.build import BuiltCore, build_variant, with_relaxed
from lilm.wasm.memory import read_shape
from lilm.wasm.node import runtime_dir
from lilm.wasm.stage import RUNTIME, memory_table
from lilm.wasm.toolchain import find_toolchain

TYPES = ("Q4_0", "Q8_0", "Q4_K_M", "Q6_K")
LAUNCHES = 3
PROMPT, PREDICT, ROUNDS = 256, 32, 2  # words of the prompt, tokens after it, rounds in one launch
PAGES = ("index.html", "bench.mjs")
BUSY = "while True: pass"


def measure(
    reporter: Reporter, shape: str = "m110", types: Sequence[str] = TYPES, launches: int = LAUNCHES
) -> dict[str, Any]:
    """shape: of SHAPES. types: quant types. launches: of Chromium, per engine, type and number of threads.

    Tokens a second, the best of ROUNDS rounds after a warm-up, median over the launches. runs: by type and threads
    (one, and as many as there are cores): ours_prefill, ours_decode, wllama_…, native_… (llama-cpp-python here, without
    AMX and repacked weights). busy_decode_ratio: decoding with a busy process on one core and a thread for each core,
    against one thread on a quiet machine, ours and wllama_busy_decode_ratio. reload_s: seconds to load a model that
    the browser has kept; peak_memory_ratio: the most memory its process took then, by the file's size.
    wasm_gzip_bytes, page_gzip_bytes: of the module, and of all else but models.
    Raises LilmError for an unknown shape, and when Chromium, npm or Emscripten is missing.
    """
    if shape not in SHAPES:
        raise LilmError(f"no shape {shape!r}", where="lilm bench browser", remedy="use one of " + ", ".join(SHAPES))
    find_chromium()
    peer = wllama()
    built = [build_variant(variant, reporter) for variant in with_relaxed(("threads",), find_toolchain())]
    models = {kind: random_gguf(shape, kind, reporter) for kind in types}
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(dir=models[types[0]].parent) as name:
        root = Path(name)
        _lay_out(root, built, peer, models, cores)
        with serving(root) as server:
            runs = _runs(reporter, server, models, sorted({1, cores}), shape, launches)
            busy = _busy(reporter, server, models[types[0]], runs, cores, launches)
            reload = _reload(server, models[types[0]], cores)
    figures = {
        "benchmark": "browser",
        "emscripten": built[-1].emcc_version,
        "cores": cores,
        "runs": runs,
        **busy,
        **reload,
        **_sizes(built[-1]),
    }
    reporter.console.print(_table(figures))
    return figures


def _lay_out(root: Path, built: Sequence[BuiltCore], peer: Path, models: Mapping[str, Path], cores: int) -> None:
    """The served folder: the page, ours/ as a site has it, wllama/, and the models as second names of their files."""
    for name in PAGES:
        (root / name).write_bytes((files("lilm.wasm.bench") / "page" / name).read_bytes())
    shutil.copytree(peer, root / "wllama")
    (root / "ours" / "runtime").mkdir(parents=True)
    for name in RUNTIME:
        shutil.copyfile(runtime_dir() / name, root / "ours" / "runtime" / name)
    for core in built:
        core.copy_to(root / "ours" / core.variant)
    shapes = {path.name: read_shape(path) for path in models.values()}
    config = WasmConfig(variants=("threads",), n_ctx=N_CTX, max_threads=cores)
    table = memory_table(config, shapes, {core.variant: core for core in built})
    write_json(root / "ours" / "memory.json", table)
    for path in models.values():
        os.link(path, root / path.name)


def _ask(server: BenchServer, engine: str, model: Path, threads: int) -> dict[str, Any]:
    options = {"engine": engine, "model": model.name, "threads": threads}
    return ask_page(server, "index.html", {**options, "prompt": PROMPT, "predict": PREDICT, "rounds": ROUNDS})


def _runs(
    reporter: Reporter,
    server: BenchServer,
    models: Mapping[str, Path],
    threads: Sequence[int],
    shape: str,
    launches: int,
) -> list[dict[str, Any]]:
    runs = []
    with reporter.bar("browser", len(models) * len(threads) * launches) as bar:
        for kind, model in models.items():
            for count in threads:
                found: dict[str, list[float]] = {}
                for _ in range(launches):
                    for engine in ("ours", "wllama"):
                        answer = _ask(server, engine, model, count)
                        for figure in ("prefill", "decode"):
                            found.setdefault(f"{engine}_{figure}", []).append(answer[figure])
                    with Engine(model, n_ctx=N_CTX, threads=count) as native:
                        native.speed(answer["prompt_tokens"], 4)
                        prefill, decode = native.speed(answer["prompt_tokens"], PREDICT)
                    found.setdefault("native_prefill", []).append(prefill)
                    found.setdefault("native_decode", []).append(decode)
                    bar.advance(note=f"{kind}, {count} thread{'s' * (count > 1)}")
                medians = {key: round(median(values), 2) for key, values in found.items()}
                runs.append({"type": kind, "threads": count, "shape": shape, **medians})
    return runs


def _busy(
    reporter: Reporter,
    server: BenchServer,
    model: Path,
    runs: Sequence[Mapping[str, Any]],
    cores: int,
    launches: int,
) -> dict[str, float]:
    """Decoding beside a busy process, against the quiet one-thread speed of the same engine."""
    quiet = next(run for run in runs if run["threads"] == 1)
    ratios = {}
    with reporter.bar("beside a busy process", 2 * launches) as bar:
        for engine, key in (("ours", "busy_decode_ratio"), ("wllama", "wllama_busy_decode_ratio")):
            speeds = []
            for _ in range(launches):
                with Popen([sys.executable, "-c", BUSY]) as other:
                    try:
                        speeds.append(_ask(server, engine, model, cores)["decode"])
                    finally:
                        other.kill()
                bar.advance(note=engine)
            ratios[key] = round(median(speeds) / quiet[f"{engine}_decode"], 3)
    return ratios


def _reload(server: BenchServer, model: Path, cores: int) -> dict[str, float]:
    """A second visit: the model comes out of the browser's own files. Each visit is a browser started anew."""
    options = {"engine": "ours", "model": model.name, "threads": cores, "rounds": 0}
    with tempfile.TemporaryDirectory(prefix="lilm-profile-") as profile:
        ask_page(server, "index.html", options, Path(profile))
        second = ask_page(server, "index.html", options, Path(profile))
    return {
        "reload_s": round(second["load_s"], 3),
        "peak_memory_ratio": round(second["peak_bytes"] / model.stat().st_size, 3),
    }


def _sizes(core: BuiltCore) -> dict[str, int]:
    """Bytes as a server sends them: the module, and all else that the page loads but models."""
    from lilm.demo.stage import page_files

    def zipped(data: bytes) -> int:
        return len(gzip.compress(data, 9, mtime=0))

    modules = [core.folder / name for name in core.files]
    page = [*page_files().values(), *((runtime_dir() / name).read_bytes() for name in RUNTIME)]
    page += [path.read_bytes() for path in modules if path.suffix != ".wasm"]
    return {
        "wasm_gzip_bytes": sum(zipped(path.read_bytes()) for path in modules if path.suffix == ".wasm"),
        "page_gzip_bytes": sum(map(zipped, page)),
    }


def _table(figures: Mapping[str, Any]) -> Table:
    title = f"llama.cpp in Chromium, tokens a second (prefill / decode), Emscripten {figures['emscripten']}"
    table = Table(title=title, title_justify="left")
    table.add_column("model")
    for name in ("threads", "LiLM", "wllama", "native", "× wllama", "% of native"):
        table.add_column(name, justify="right")
    for run in figures["runs"]:
        pairs = [(run[f"{engine}_prefill"], run[f"{engine}_decode"]) for engine in ("ours", "wllama", "native")]
        (prefill, decode), peer, native = pairs
        table.add_row(
            f"{run['shape']} {run['type']}",
            str(run["threads"]),
            *(f"{one:.1f} / {other:.1f}" for one, other in pairs),
            f"{prefill / peer[0]:.1f} / {decode / peer[1]:.1f}",
            f"{prefill / native[0]:.0%} / {decode / native[1]:.0%}",
        )
    return table
