"""What a file asks of a machine: seconds to load, tokens a second, memory; here and in the run's page."""

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from lilm.commands import command
from lilm.errors import LilmError
from lilm.export.quality.opened import OpenedRun
from lilm.fit.measure import native_peak
from lilm.llamacpp.engine import Engine
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import write_json
from lilm.temporary import temporary_folder

PROMPT, PREDICT, ROUNDS, LAUNCHES = 256, 32, 3, 3  # tokens of the prompt, after it, measured in one launch, launches
ENOUGH = 60.0  # seconds: where launches took so long, as those of F16 in wasm do, no further one is begun
N_CTX = 512
PAGES = ("index.html", "bench.mjs")

Answer = TypeVar("Answer")


def native_speed(path: Path, threads: int) -> dict[str, Any]:
    """prefill, decode: tokens a second, the best of ROUNDS rounds after a warm-up, median of LAUNCHES processes,
    or of fewer (see ENOUGH). load_s: seconds to read the file, whose pages the system has in memory, and check its
    numbers. peak_mb: of such a process, Python with it, at a context of N_CTX tokens; None where the system does not
    tell.

    Threads spin, as on a quiet machine; weights are not repacked for this machine (llama.cpp's use_extra_bufts is off).
    """

    def launch() -> tuple[float, float, float, int | None]:
        with Engine(path, n_ctx=N_CTX, threads=threads, eager=True) as engine:
            engine.speed(PROMPT, 4)
            rounds = [engine.speed(PROMPT, PREDICT) for _ in range(ROUNDS)]
            best = max(one for one, _ in rounds), max(one for _, one in rounds)
            return *best, engine.load_s, engine.peak_memory()

    prefill, decode, load_s, memories = zip(*_repeated(launch), strict=True)
    known = [one for one in memories if one is not None]
    return {
        "prefill": round(median(prefill), 2),
        "decode": round(median(decode), 2),
        "load_s": round(median(load_s), 3),
        "peak_mb": round(max(known) / 1e6, 1) if known else None,
    }


def _repeated(launch: Callable[[], Answer]) -> list[Answer]:
    """What LAUNCHES of it answer, or fewer when they take ENOUGH seconds."""
    begun, found = time.monotonic(), [launch()]
    while len(found) < LAUNCHES and time.monotonic() - begun < ENOUGH:
        found.append(launch())
    return found


def native_memory(path: Path, threads: int) -> dict[str, Any]:
    """measured, base, reckoned, error: see lilm.fit.measure, at a context of N_CTX tokens, in bytes and as a share.
    None each, and why, where the system does not tell."""
    try:
        peak = native_peak(path, N_CTX, threads=threads)
    except LilmError as error:
        return {**dict.fromkeys(("base", "measured", "reckoned", "error")), "why": error.what}
    return {**asdict(peak), "error": round(peak.error, 4)}


def why_no_page(run: OpenedRun) -> str:
    """Why nothing can be measured in Chromium, "" where it can."""
    from lilm.wasm.stage import has_chromium

    if read_manifest(run.folder / "wasm") is None:
        return f"the run has no finished wasm stage: {command('run', '--run', run.folder, '--to', 'wasm')}"
    return "" if has_chromium() else "Chromium is not installed"


def page_speed(run: OpenedRun, path: Path, threads: int) -> dict[str, Any]:
    """wasm_prefill, wasm_decode: as `native_speed`, in Chromium through the run's own build; wasm_load_s: from the
    server on this machine. None each, and why, where the page cannot run this file."""
    from lilm.fit.model import read_model
    from lilm.wasm.stage import memory_table
    from lilm.wasm.verify.chromium import ask_page, serving

    wasm = run.folder / "wasm"
    builds = {one.name: None for one in wasm.iterdir() if one.is_dir() and one.name != "runtime"}
    with temporary_folder("quant") as root:
        for page in PAGES:
            (root / page).write_bytes((files("lilm.wasm.bench") / "page" / page).read_bytes())
        shutil.copytree(wasm, root / "ours", ignore=shutil.ignore_patterns("*.gguf"))
        (root / path.name).symlink_to(path.absolute())
        config = run.recipe.wasm
        options = {"engine": "ours", "folder": "ours", "model": path.name}
        sizes = {"threads": threads, "prompt": PROMPT, "predict": PREDICT, "rounds": ROUNDS}
        try:
            write_json(root / "ours" / "memory.json", memory_table(config, {path.name: read_model(path)}, builds))
            with serving(root) as server:
                launches = _repeated(lambda: ask_page(server, "index.html", {**options, **sizes}))
        except LilmError as error:
            return {**dict.fromkeys(("wasm_prefill", "wasm_decode", "wasm_load_s")), "why": error.what}
    found = {key: round(median(one[key] for one in launches), 3) for key in ("prefill", "decode", "load_s")}
    return {**{f"wasm_{key}": value for key, value in found.items()}, "why": ""}
