"""What each block type costs in time, natively and in our wasm build, by one program that only multiplies matrices."""

import json
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from statistics import fmean, median
from typing import Any

from rich.table import Table

from lilm.devices import processor
from lilm.errors import LilmError
from lilm.export.block_types import FAST, PLAIN, WHOLE
from lilm.fit.known.times import Measured, TypeTime, record_times
from lilm.progress import Reporter
from lilm.report.narrow import Narrowed
from lilm.temporary import temporary_folder
from lilm.wasm.build import MIB, build_variant, configure, failure, glue_dir, locked, log_file, work_dir
from lilm.wasm.source import prepare_source
from lilm.wasm.toolchain import Toolchain, find_toolchain

TYPES = (*FAST, *PLAIN, WHOLE)
ROUNDS = 9
COLUMNS = 32  # of a prompt at a time
WEIGHTS = 8_000_000  # multiplied in a row by one column
SHAPES = ("576x1536", "1536x576", "2048x5632")  # row's length x rows: SmolLM2's up and down, TinyLlama's up
RATHER = "Q4_0"  # what all others are held against
QUIET = 0.5  # load of the machine below which nothing is said of it
MEMORY = 512 * MIB
KEYS = ("decode", "prefill")
OPTIMISED = "--no-liftoff"  # all code is compiled well at once; else the first rounds run what was made in haste

Samples = dict[tuple[str, str], dict[str, list[float]]]


def measure(
    reporter: Reporter,
    skip: str = "",
    record: bool = False,
    types: Sequence[str] = TYPES,
    shapes: Sequence[str] = SHAPES,
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    """skip: "native" or "browser". record: write the figures into LiLM's own data. types: Q4_0 among them; K types
    where 256 divides a row. rounds: over all types in turn, after one that warms up.

    Returns {"benchmark", "cpu", "load", "backends": {"native", "browser": {"source", "types": {name: {"decode",
    "prefill"}}, "shapes": {shape: {name: {"decode_ns", "prefill_ns", …}}}, "noise"}}}: nanoseconds per weight and
    column, the least of all rounds, on one thread; of a type the mean over the shapes of its time by Q4_0's in the same
    shape. native: llama-cpp-python's ggml, its weights as they lie in the file (no repacking), as LiLM runs it.
    browser: our build with SIMD and threads, in node. noise: median over all of how much the median round took longer
    than the least.
    Raises LilmError when a compiler is missing or the program fails.
    """
    left = {name.strip() for name in skip.split(",") if name.strip()}
    if unknown := left - {"native", "browser"}:
        raise LilmError(f"nothing called {min(unknown)!r}", where="--skip", remedy="use native or browser")
    if RATHER not in types:
        raise ValueError(f"{RATHER} is not among the types")
    load = os.getloadavg()[0]
    backends: dict[str, Any] = {}
    measured: dict[str, Measured] = {}
    for backend, run in (("native", run_native), ("browser", run_in_node)):
        if backend in left:
            continue
        reporter.say(f"  {backend}: {len(types)} types, {len(shapes)} shapes, {rounds} rounds")
        with temporary_folder("types") as folder:
            arguments = [str(rounds), str(WEIGHTS), str(COLUMNS), ",".join(types), *shapes]
            samples, by = run(folder, arguments, reporter)
        source = f"measured by lilm bench types on {processor()}, {by}, {date.today().isoformat()}"
        busy = f", on a busy machine (load {load:.1f})" if load > QUIET else ""
        measured[backend] = Measured(source + busy, compared(samples))
        backends[backend] = {**_figures(measured[backend], samples), "noise": round(noise(samples), 3)}
        reporter.console.print(Narrowed(_table(backend, measured[backend])))
    if record:
        reporter.say(f"  written: {record_times(measured)}")
    return {"benchmark": "types", "cpu": processor(), "load": round(load, 2), "backends": backends}


def compared(samples: Samples) -> dict[str, TypeTime]:
    """Each type by Q4_0, of the least times of each shape, then their mean."""
    ratios: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (shape, name), found in samples.items():
        for key in KEYS:
            ratios[name][key].append(min(found[key]) / min(samples[shape, RATHER][key]))
    return {name: TypeTime(*(round(fmean(of[key]), 2) for key in KEYS)) for name, of in ratios.items()}


def noise(samples: Samples) -> float:
    return median(median(found[key]) / min(found[key]) - 1 for found in samples.values() for key in KEYS)


def read_samples(lines: Iterable[str]) -> Samples:
    """{(shape, type): {"decode", "prefill": seconds of each round}}, of what the program printed."""
    samples: Samples = defaultdict(lambda: {key: [] for key in KEYS})
    for line in lines:
        one = json.loads(line)
        for key in KEYS:
            samples[one["shape"], one["type"]][key].append(one[key])
    return dict(samples)


def run_native(folder: Path, arguments: Sequence[str], reporter: Reporter) -> tuple[Samples, str]:
    import llama_cpp

    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise LilmError("no C compiler", where="lilm bench types", remedy="install gcc, or use --skip native")
    source, _ = prepare_source()
    libraries = Path(llama_cpp.__file__).parent / "lib"
    program = folder / "types"
    command = [compiler, "-O2", f"-I{source / 'ggml' / 'include'}", str(_program()), "-o", str(program)]
    command += [f"-L{libraries}", "-lggml-cpu", "-lggml-base", f"-Wl,-rpath,{libraries}"]
    _run(command, dict(os.environ))
    return read_samples(_run([str(program), *arguments], dict(os.environ))), f"llama-cpp-python {llama_cpp.__version__}"


def run_in_node(folder: Path, arguments: Sequence[str], reporter: Reporter) -> tuple[Samples, str]:
    tools = find_toolchain()
    if tools.remark:
        reporter.say(f"  {tools.remark}")
    ggml, source = _ggml(tools, reporter)
    program = folder / "types.js"
    paths = [glue_dir(), *(source / "ggml" / inside for inside in ("include", "src", "src/ggml-cpu"))]
    command = [str(tools.emcc), "-O3", "-msimd128", "-pthread", "-fwasm-exceptions", "-DNDEBUG"]
    command += [*(f"-I{path}" for path in paths), str(_program())]
    command += [str(path) for path in sorted((glue_dir() / "kernels").glob("*.c"))]
    command += [str(ggml / "libggml-cpu.a"), str(ggml / "libggml-base.a"), "-o", str(program)]
    command += ["-sENVIRONMENT=node,worker", "-sSINGLE_FILE=1", f"-sINITIAL_MEMORY={MEMORY}"]
    command += [f"-s{tools.stack_setting}={2 * MIB}"]
    _run(command, tools.environment())
    version = _run([str(tools.node), "--version"], dict(os.environ))[0]
    by = f"node {version.removeprefix('v')}, Emscripten {tools.version_text}"
    command = [str(tools.node), OPTIMISED, str(program), *arguments]
    return read_samples(_run(command, dict(os.environ))), by


def _ggml(tools: Toolchain, reporter: Reporter) -> tuple[Path, Path]:
    """(the folder with ggml's libraries as the threads build links them, llama.cpp's source)."""
    source, key = prepare_source()
    work = work_dir("threads", tools, key)
    ggml = work / "llama.cpp" / "ggml" / "src"
    build_variant("threads", reporter, toolchain=tools)
    if not (ggml / "libggml-cpu.a").is_file():  # the core came from the cache, and what it was linked from is gone
        with locked(work):
            work.mkdir(exist_ok=True)
            configure(tools, "threads", 2 * MIB, source, work)
            command = [str(tools.cmake), "--build", str(work), "--target", "ggml-cpu", "--parallel"]
            with log_file(work).open("a", encoding="utf-8") as log:
                done = subprocess.run(
                    [*command, str(os.cpu_count() or 1)], stdout=log, stderr=log, env=tools.environment(), check=False
                )
            if done.returncode != 0:
                raise failure("the build", log_file(work))
    return ggml, source


def _program() -> Path:
    return Path(str(files("lilm.wasm.bench"))) / "types.c"


def _run(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The lines that it prints. Raises LilmError, with the last it said, when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise LilmError(f"{Path(command[0]).name} failed: {said}", where="lilm bench types")
    return done.stdout.splitlines()


def _figures(measured: Measured, samples: Samples) -> dict[str, Any]:
    shapes: dict[str, dict[str, Any]] = defaultdict(dict)
    for (shape, name), found in samples.items():
        shapes[shape][name] = {f"{key}_ns": round(min(found[key]) * 1e9, 5) for key in KEYS}
    types = {name: {key: getattr(time, key) for key in KEYS} for name, time in measured.types.items()}
    return {"source": measured.source, "types": types, "shapes": dict(shapes)}


def _table(backend: str, measured: Measured) -> Table:
    table = Table(title=f"{backend}: time by {RATHER}'s", title_justify="left")
    table.add_column("type")
    for heading in KEYS:
        table.add_column(heading, justify="right")
    for name, time in measured.types.items():
        table.add_row(name, f"{time.decode:.2f}", f"{time.prefill:.2f}")
    return table
