"""Ours, wllama and native llama.cpp on the same files, in turns, medians of several launches."""

import gzip
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from statistics import median
from subprocess import Popen
from typing import Any

from rich.table import Table

from lilm.errors import LilmError
from lilm.fit.model import read_model
from lilm.llamacpp.engine import Engine
from lilm.pipeline.hashing import write_json
from lilm.progress import Reporter
from lilm.recipe import WasmConfig
from lilm.report.narrow import Narrowed
from lilm.temporary import temporary_folder
from lilm.wasm.bench.peer import wllama
from lilm.wasm.bench.real import divergences
from lilm.wasm.bench.shapes import N_CTX, SHAPES, random_gguf
from lilm.wasm.build import BuiltCore, build_variant
from lilm.wasm.javascript import copy_runtime, runtime_dir, runtime_files
from lilm.wasm.stage import memory_table
from lilm.wasm.toolchain import toolchains
from lilm.wasm.variants import with_relaxed
from lilm.wasm.verify.chromium import PageServer, ask_page, find_chromium, serving

TYPES = ("Q4_0", "Q8_0", "Q4_K_M", "Q6_K")
LAUNCHES = 3
PROMPT, PREDICT, ROUNDS = 256, 32, 2  # words of the prompt, tokens after it, rounds in one launch
PAGES = ("index.html", "bench.mjs")
BUSY = "while True: pass"


def measure(
    reporter: Reporter,
    shape: str = "m110",
    types: Sequence[str] = TYPES,
    launches: int = LAUNCHES,
    data: Path | None = None,
) -> dict[str, Any]:
    """shape: of SHAPES. types: quant types. launches: of Chromium, per engine, type and number of threads. data: folder
    with a real model (model/NAME-hf) and text, for the divergence from native llama.cpp; without it that is None.

    Tokens a second, the best of ROUNDS rounds after a warm-up, median over the launches, which are beside it. runs: by
    compiler (the newest one, and the one on PATH if that is another), type and threads (one, and as many as there are
    cores): ours_prefill, ours_decode, wllama_…, native_… (llama-cpp-python here, without AMX and repacked weights, its
    threads spinning). busy_decode_ratio: decoding with a busy process on one core and a thread for each core,
    against one thread on a quiet machine, ours and wllama_busy_decode_ratio. reload_s: seconds to load a model that
    the browser has kept; peak_memory_ratio: the most memory its process took then, by the file's size.
    wasm_gzip_bytes, page_gzip_bytes: of the module, and of all else but models. kld_vs_native: of the real model's F16
    file, nats; kld_by_type: of it quantised, beside what native llama.cpp differs from itself by (see verify).
    Raises LilmError for an unknown shape, and when Chromium, npm or Emscripten is missing.
    """
    if shape not in SHAPES:
        raise LilmError(f"no shape {shape!r}", where="lilm bench browser", remedy="use one of " + ", ".join(SHAPES))
    find_chromium()
    peer = wllama()
    builds = {
        f"ours-{tools.version_text}": [
            build_variant(variant, reporter, toolchain=tools) for variant in with_relaxed(("threads",), tools)
        ]
        for tools in toolchains()
    }
    built = next(iter(builds.values()))
    models = {kind: random_gguf(shape, kind, reporter) for kind in types}
    cores = os.cpu_count() or 1
    with temporary_folder("files", models[types[0]].parent) as root:
        _lay_out(root, builds, peer, models, cores)
        with serving(root) as server:
            runs = _runs(reporter, server, list(builds), models, sorted({1, cores}), shape, launches)
            busy = _busy(reporter, server, next(iter(builds)), models[types[0]], runs, cores, launches)
            reload = _reload(server, next(iter(builds)), models[types[0]], cores, launches)
    figures = {
        "benchmark": "browser",
        "emscripten": built[-1].emcc_version,
        "cores": cores,
        "runs": runs,
        **busy,
        **reload,
        **_sizes(built[-1]),
        **(divergences(data, built[0]) if data else {"kld_vs_native": None, "kld_by_type": {}}),
    }
    reporter.console.print(Narrowed(_table(figures)))
    return figures


def _lay_out(
    root: Path, builds: Mapping[str, Sequence[BuiltCore]], peer: Path, models: Mapping[str, Path], cores: int
) -> None:
    """The served folder: the page, our builds as a site has them, wllama/, and the models as second names of their
    files."""
    for name in PAGES:
        (root / name).write_bytes((files("lilm.wasm.bench") / "page" / name).read_bytes())
    shutil.copytree(peer, root / "wllama")
    known = {path.name: read_model(path) for path in models.values()}
    config = WasmConfig(variants=("threads",), n_ctx=N_CTX, max_threads=cores)
    for folder, built in builds.items():
        copy_runtime(root / folder / "runtime")
        for core in built:
            core.copy_to(root / folder / core.variant)
        table = memory_table(config, known, {core.variant: core for core in built})
        write_json(root / folder / "memory.json", table)
    for path in models.values():
        os.link(path, root / path.name)


def _ask(server: PageServer, engine: str, model: Path, threads: int) -> dict[str, float]:
    """engine: a build's folder, wllama or native."""
    if engine == "native":
        with Engine(model, n_ctx=N_CTX, threads=threads, eager=True) as native:
            native.speed(PROMPT, 4)
            rounds = [native.speed(PROMPT, PREDICT) for _ in range(ROUNDS)]
        return {"prefill": max(one for one, _ in rounds), "decode": max(one for _, one in rounds)}
    options = {"engine": "wllama" if engine == "wllama" else "ours", "folder": engine, "model": model.name}
    sizes = {"threads": threads, "prompt": PROMPT, "predict": PREDICT, "rounds": ROUNDS}
    return ask_page(server, "index.html", {**options, **sizes})


def _runs(
    reporter: Reporter,
    server: PageServer,
    builds: Sequence[str],
    models: Mapping[str, Path],
    threads: Sequence[int],
    shape: str,
    launches: int,
) -> list[dict[str, Any]]:
    runs = []
    engines = [*builds, "wllama", "native"]
    with reporter.bar("browser", len(models) * len(threads) * launches) as bar:
        for kind, model in models.items():
            for count in threads:
                found: dict[str, list[float]] = {}
                for launch in range(launches):
                    first = launch % len(engines)  # none is always measured first
                    for engine in engines[first:] + engines[:first]:
                        answer = _ask(server, engine, model, count)
                        for figure in ("prefill", "decode"):
                            found.setdefault(f"{engine}_{figure}", []).append(round(answer[figure], 2))
                    bar.advance(note=f"{kind}, {count} thread{'s' * (count > 1)}")
                for build in builds:
                    kept = {key.replace(build, "ours"): values for key, values in found.items() if key in _keys(build)}
                    medians = {key: round(median(values), 2) for key, values in kept.items()}
                    version = build.removeprefix("ours-")
                    about = {"type": kind, "threads": count, "shape": shape, "emscripten": version}
                    runs.append({**about, **medians, "launches": kept})
    return runs


def _keys(build: str) -> set[str]:
    return {f"{engine}_{figure}" for engine in (build, "wllama", "native") for figure in ("prefill", "decode")}


def _busy(
    reporter: Reporter,
    server: PageServer,
    build: str,
    model: Path,
    runs: Sequence[Mapping[str, Any]],
    cores: int,
    launches: int,
) -> dict[str, float]:
    """Decoding beside a busy process, against the quiet one-thread speed of the same engine."""
    quiet = next(run for run in runs if run["threads"] == 1)
    ratios = {}
    with reporter.bar("beside a busy process", 2 * launches) as bar:
        for engine, key in ((build, "busy_decode_ratio"), ("wllama", "wllama_busy_decode_ratio")):
            speeds = []
            for _ in range(launches):
                with Popen([sys.executable, "-c", BUSY]) as other:
                    try:
                        speeds.append(_ask(server, engine, model, cores)["decode"])
                    finally:
                        other.kill()
                bar.advance(note=engine)
            ratios[key] = round(median(speeds) / quiet[f"{'ours' if engine == build else engine}_decode"], 3)
    return ratios


def _reload(server: PageServer, build: str, model: Path, cores: int, launches: int) -> dict[str, float]:
    """Later visits: the model comes out of the browser's own files. Each visit is a browser started anew."""
    options = {"engine": "ours", "folder": build, "model": model.name, "threads": cores, "rounds": 0}
    with temporary_folder("profile") as profile:
        ask_page(server, "index.html", options, profile)
        visits = [ask_page(server, "index.html", options, profile, watch_memory=True) for _ in range(launches)]
    return {
        "reload_s": round(median(visit["load_s"] for visit in visits), 3),
        "peak_memory_ratio": round(median(visit["peak_bytes"] for visit in visits) / model.stat().st_size, 3),
    }


def _sizes(core: BuiltCore) -> dict[str, int]:
    """Bytes as a server sends them: the module, and all else that the page loads but models."""
    from lilm.demo.stage import page_files

    def zipped(data: bytes) -> int:
        return len(gzip.compress(data, 9, mtime=0))

    modules = [core.folder / name for name in core.files]
    page = [*page_files().values(), *((runtime_dir() / name).read_bytes() for name in runtime_files())]
    page += [path.read_bytes() for path in modules if path.suffix != ".wasm"]
    return {
        "wasm_gzip_bytes": sum(zipped(path.read_bytes()) for path in modules if path.suffix == ".wasm"),
        "page_gzip_bytes": sum(map(zipped, page)),
    }


def _table(figures: Mapping[str, Any]) -> Table:
    title = "llama.cpp in Chromium, tokens a second (prefill / decode)"
    table = Table(title=title, title_justify="left")
    table.add_column("model")
    table.add_column("Emscripten")
    for name in ("threads", "LiLM", "wllama", "native", "× wllama", "% of native"):
        table.add_column(name, justify="right")
    for run in figures["runs"]:
        pairs = [(run[f"{engine}_prefill"], run[f"{engine}_decode"]) for engine in ("ours", "wllama", "native")]
        (prefill, decode), peer, native = pairs
        table.add_row(
            f"{run['shape']} {run['type']}",
            run["emscripten"],
            str(run["threads"]),
            *(f"{one:.1f} / {other:.1f}" for one, other in pairs),
            f"{prefill / peer[0]:.1f} / {decode / peer[1]:.1f}",
            f"{prefill / native[0]:.0%} / {decode / native[1]:.0%}",
        )
    return table
