"""Builds the WASI program with Zig's clang, cached by what goes in."""

import importlib.util
import os
import shutil
import subprocess
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from lilm.cache import cache_dir
from lilm.disk import replacing
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file, sha256_json
from lilm.progress import Reporter
from lilm.wasm.build import SOURCE_SUFFIXES, failure, glue_dir, locked, log_file, progress_percent
from lilm.wasm.source import prepare_source

PROGRAM = "lilm-wasi.wasm"
CHARACTERS = "characters.h"  # how text is drawn, as in the browser's build
INSTALL = "pip install 'lilm[wasi]'"


def find_zig() -> Path:
    """Raises LilmError when the package ziglang is not installed."""
    found = importlib.util.find_spec("ziglang")
    if found is None or found.origin is None:
        raise LilmError("the package ziglang is not installed", remedy=INSTALL)
    return Path(found.origin).with_name("zig")


def build_wasi(reporter: Reporter) -> Path:
    """The program, built unless it is in the cache. Raises LilmError when a tool is missing or the build fails."""
    zig = find_zig()
    source, source_key = prepare_source()
    ours = _sources()
    compiler = version("ziglang")
    key = sha256_json([compiler, source_key, {name: sha256_file(path) for name, path in ours.items()}])[:16]
    program = cache_dir() / "wasm" / f"wasi-{key}" / PROGRAM
    work = cache_dir() / "wasm" / f"tree-wasi-{compiler}-{source_key}"
    with locked(work):
        if not program.is_file():
            copied = work / "src"  # one build folder may serve several installations of LiLM
            for name, path in ours.items():
                _copy_changed(path, copied / name)
            for kernel in (copied / "kernels").iterdir():
                if f"kernels/{kernel.name}" not in ours:
                    kernel.unlink()  # of another LiLM: cmake would take it
            _configure(zig, copied, source, work)
            _compile(zig, work, reporter)
            program.parent.mkdir(exist_ok=True)
            with replacing(program) as part:
                shutil.copyfile(work / "build" / "out" / PROGRAM, part)
    return program


def _sources() -> dict[str, Path]:
    """Our files by their place in the build: the program's, and those that all builds have."""
    folder, kernels = Path(str(files("lilm.wasm.wasi"))) / "src", glue_dir() / "kernels"
    named = {path.name: path for path in sorted(folder.iterdir()) if path.suffix in SOURCE_SUFFIXES}
    named |= {CHARACTERS: glue_dir() / CHARACTERS}
    return named | {f"kernels/{path.name}": path for path in sorted(kernels.iterdir())}


def _copy_changed(source: Path, target: Path) -> None:
    """A file that is the same keeps its time, so that it is not compiled again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.is_file() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)


def _environment(zig: Path) -> dict[str, str]:
    """CMake takes a compiler with arguments from these variables only."""
    compilers = {"CC": f"{zig} cc -target wasm32-wasi", "CXX": f"{zig} c++ -target wasm32-wasi"}
    return {**os.environ, **compilers, "ZIG_GLOBAL_CACHE_DIR": str(cache_dir() / "zig")}


def _configure(zig: Path, folder: Path, source: Path, work: Path) -> None:
    options = {
        "CMAKE_SYSTEM_NAME": "Generic",
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_C_COMPILER_WORKS": "ON",
        "CMAKE_CXX_COMPILER_WORKS": "ON",
        "LLAMA_DIR": source,
    }
    command = ["cmake", "-G", "Ninja", "-S", str(folder), "-B", str(work / "build")]
    command += [f"-D{name}={value}" for name, value in options.items()]
    log = log_file(work)
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=_environment(zig), check=False)
    if done.returncode != 0:
        raise failure("cmake", log)


def _compile(zig: Path, work: Path, reporter: Reporter) -> None:
    command = ["cmake", "--build", str(work / "build"), "--parallel", str(os.cpu_count() or 1)]
    log = log_file(work)
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=_environment(zig),
        ) as process,
        reporter.bar("llama.cpp for WASI", 100) as bar,
    ):  # fmt: skip
        done = 0
        for line in process.stdout or ():
            file.write(line)
            percent = progress_percent(line) or 0
            if percent > done:
                bar.advance(percent - done)
                done = percent
        code = process.wait()
    if code != 0:
        raise failure("the build", log)
