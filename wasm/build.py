"""Builds llama.cpp with our glue as one WebAssembly module, by cmake and Emscripten, cached by what goes in."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from lilm.cache import cache_dir, put_in_place
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file, sha256_json
from lilm.progress import Reporter
from lilm.temporary import temporary_folder
from lilm.wasm.limits import linked_bytes
from lilm.wasm.source import prepare_source
from lilm.wasm.toolchain import NEWER, Toolchain, find_toolchain
from lilm.wasm.variants import Variant, is_memory64, is_relaxed, is_threaded

SOURCE_SUFFIXES = (".c", ".cpp", ".h", ".js", ".txt")
MIB = 1 << 20
# New Emscriptens start threads from their worker's script, which is here the one that imported lilm-core.js; old ones
# ask Module.mainScriptUrlOrBlob.
OWN_ADDRESS = ("_scriptName = self.location.href", '_scriptName = moduleArg["lilmScript"] ?? self.location.href')
SMALLEST_MEMORY = 32 * MIB  # what the module is linked for; the runtime brings the memory that a model needs

LLAMA_OPTIONS = {
    "CMAKE_BUILD_TYPE": "Release",
    # Emscripten's toolchain file says x86, with which ggml leaves out its wasm kernels.
    "EMSCRIPTEN_SYSTEM_PROCESSOR": "wasm32",
    "LLAMA_WASM_MEM64": "OFF",
    "GGML_NATIVE": "OFF",
    "GGML_OPENMP": "OFF",
    "GGML_CCACHE": "OFF",
    "GGML_CPU_REPACK": "OFF",
    "GGML_LLAMAFILE": "OFF",
    "LLAMA_BUILD_COMMON": "OFF",
    "LLAMA_BUILD_TESTS": "OFF",
    "LLAMA_BUILD_TOOLS": "OFF",
    "LLAMA_BUILD_EXAMPLES": "OFF",
    "LLAMA_BUILD_SERVER": "OFF",
    "LLAMA_BUILD_APP": "OFF",
    "LLAMA_ALL_WARNINGS": "OFF",
    # Not from whatever git repository the build happens to lie in.
    "LLAMA_BUILD_NUMBER": "0",
    "LLAMA_BUILD_COMMIT": "sdist",
    "GGML_BUILD_NUMBER": "0",
    "GGML_BUILD_COMMIT": "sdist",
    "CMAKE_DISABLE_FIND_PACKAGE_Git": "ON",
}


@dataclass(frozen=True)
class BuiltCore:
    """folder holds `files`: lilm-core.js, lilm-core.wasm and, from old Emscriptens, lilm-core.worker.js."""

    variant: Variant
    folder: Path
    files: tuple[str, ...]
    cached: bool
    emcc_version: str

    def copy_to(self, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for name in self.files:
            shutil.copyfile(self.folder / name, target / name)


def glue_dir() -> Path:
    return Path(str(files("lilm.wasm"))) / "src"


def glue_files() -> list[str]:
    """Our sources, relative to glue_dir()."""
    root = glue_dir()
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix in SOURCE_SUFFIXES)


def link_flags(toolchain: Toolchain, variant: Variant, stack_bytes: int) -> list[str]:
    """But for --extern-post-js, which has a path in it."""
    settings = {
        "MODULARIZE": 1,
        "EXPORT_NAME": "createLilmCore",
        "ENVIRONMENT": "web,worker,node",
        "IMPORTED_MEMORY": 1,  # the runtime makes the memory, as large as the model needs
        "ALLOW_MEMORY_GROWTH": 1,
        "ABORTING_MALLOC": 0,  # a failed malloc is an error that can be told, not the end
        "INITIAL_MEMORY": SMALLEST_MEMORY,
        "MAXIMUM_MEMORY": linked_bytes(variant),
        toolchain.stack_setting: stack_bytes,
        "FILESYSTEM": 0,
        "EXIT_RUNTIME": 0,
        "EXPORTED_FUNCTIONS": "_malloc,_free",
    }
    if is_threaded(variant):
        settings["PTHREAD_POOL_SIZE"] = "Module.lilmPool"
        settings["DEFAULT_PTHREAD_STACK_SIZE"] = stack_bytes
    flags = ["-O1", "--no-entry", "-Wno-pthreads-mem-growth"]
    return flags + [f"-s{name}={value}" for name, value in settings.items()]


def build_key(toolchain: Toolchain, variant: Variant, stack_bytes: int, source_key: str) -> str:
    """Hash of everything that decides the module's bytes."""
    glue = {name: sha256_file(glue_dir() / name) for name in glue_files()}
    flags = link_flags(toolchain, variant, stack_bytes)
    return sha256_json([toolchain.version_text, variant, flags, LLAMA_OPTIONS, OWN_ADDRESS, source_key, glue])[:16]


def build_variant(
    variant: Variant, reporter: Reporter, stack_mb: int = 2, toolchain: Toolchain | None = None
) -> BuiltCore:
    """The core for `variant`, built unless cached: "threads" has pthreads and SIMD, "single" SIMD on one thread,
    "threads-memory64" 64-bit addresses as well, for more than 4 GiB, and "…-relaxed" the faster kernels of relaxed
    SIMD, for a fraction of a build beside the one without.

    stack_mb: size of each thread's stack, MiB. toolchain: find_toolchain()'s unless given. The same inputs give the
    same bytes.
    Raises LilmError when a tool is missing or too old, or the build fails (with the line that says why, and the
    log's path).
    """
    toolchain = toolchain or find_toolchain()
    if is_relaxed(variant) and not toolchain.relaxed_simd:
        raise LilmError(f"Emscripten {toolchain.version_text} has no relaxed SIMD", remedy=NEWER)
    check_memory64([variant], toolchain)
    source, source_key = prepare_source()
    stack_bytes = stack_mb * MIB
    key = build_key(toolchain, variant, stack_bytes, source_key)
    folder = cache_dir() / "wasm" / f"{variant}-{key}"
    work = work_dir(variant, toolchain, source_key)
    with locked(work) as lock:
        cached = folder.is_dir()
        if not cached:
            work.mkdir(exist_ok=True)
            configure(toolchain, variant, stack_bytes, source, work)
            compile_core(toolchain, variant, work, reporter, lock)
            install(work / ("out-relaxed" if is_relaxed(variant) else "out"), folder)
    return BuiltCore(variant, folder, core_files(folder), cached, toolchain.version_text)


def check_memory64(variants: Iterable[str], toolchain: Toolchain) -> None:
    """Raises LilmError when one of them needs 64-bit memory and this compiler breaks on it."""
    if any(map(is_memory64, variants)) and not toolchain.memory64:
        raise LilmError(f"Emscripten {toolchain.version_text} cannot build for 64-bit memory", remedy=NEWER)


def work_dir(variant: Variant, toolchain: Toolchain, source_key: str) -> Path:
    """The build folder, which a build and its relaxed sister share."""
    tree = variant.removesuffix("-relaxed")
    return cache_dir() / "wasm" / f"tree-{tree}-{toolchain.version_text}-{source_key}"


@contextmanager
def locked(work: Path) -> Iterator[int]:
    """One build at a time in a build folder: a second one waits. Returns the lock's file descriptor; the lock
    goes with the last process that has it."""
    work.parent.mkdir(parents=True, exist_ok=True)
    with work.with_name(work.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def copied_glue(work: Path) -> Path:
    """Our sources inside the build folder: that one may serve several installations of LiLM, which cmake refuses when
    the sources move. Files that have not changed keep their time, so that they are not compiled again."""
    folder = work / "glue"
    for name in glue_files():
        new, copy = (glue_dir() / name).read_bytes(), folder / name
        if not copy.is_file() or copy.read_bytes() != new:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(new)
    for copy in folder.glob("kernels/*"):
        if not (glue_dir() / "kernels" / copy.name).is_file():
            copy.unlink()  # cmake would take it
    return folder


def log_file(work: Path) -> Path:
    return work.with_name(work.name + ".log")


def core_files(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir()))


def install(out: Path, folder: Path) -> None:
    """Move the finished module to its place in the cache, whole or not at all."""
    with temporary_folder("build", folder.parent) as part:
        new = part / folder.name
        new.mkdir()
        for path in out.glob("lilm-core*"):
            shutil.copyfile(path, new / path.name)
        script = new / "lilm-core.js"
        script.write_text(script.read_text(encoding="utf-8").replace(*OWN_ADDRESS), encoding="utf-8")
        put_in_place(new, folder)


def configure(toolchain: Toolchain, variant: Variant, stack_bytes: int, source: Path, work: Path) -> None:
    glue = copied_glue(work)
    flags = [*link_flags(toolchain, variant, stack_bytes), f"--extern-post-js={glue / 'extern-post.js'}"]
    options = {
        **LLAMA_OPTIONS,
        "CMAKE_TOOLCHAIN_FILE": toolchain.cmake_file,
        "CMAKE_MAKE_PROGRAM": toolchain.ninja or shutil.which("make"),
        "LLAMA_DIR": source,
        "LILM_THREADS": "ON" if is_threaded(variant) else "OFF",
        "LILM_MEMORY64": "ON" if is_memory64(variant) else "OFF",
        "LILM_RELAXED_SIMD": "ON" if toolchain.relaxed_simd else "OFF",
        "LILM_LINK_FLAGS": " ".join(flags),
    }
    generator = "Ninja" if toolchain.ninja else "Unix Makefiles"
    command = [str(toolchain.cmake), "-S", str(glue), "-B", str(work), "-G", generator]
    command += [f"-D{name}={value}" for name, value in options.items()]
    log = log_file(work)
    with log.open("w", encoding="utf-8") as file:
        # In the build folder: what Emscripten's cmake file tries out leaves an a.out.js behind.
        done = subprocess.run(
            command, cwd=work, stdout=file, stderr=subprocess.STDOUT, env=toolchain.environment(), check=False
        )
    if done.returncode != 0:
        raise failure("cmake", log)


def compile_core(toolchain: Toolchain, variant: Variant, work: Path, reporter: Reporter, lock: int) -> None:
    """Run the build, with a bar fed from ninja's `[n/m]` (or make's percentage).

    lock: inherited by the compilers, which outlive a killed parent, so that the next build waits for them.
    """
    jobs = str(os.cpu_count() or 1)
    command = [
        *fixed_addresses(),
        str(toolchain.cmake),
        "--build",
        str(work),
        "--target",
        "lilm-core-relaxed" if is_relaxed(variant) else "lilm-core",
        "--parallel",
        jobs,
    ]
    log = log_file(work)
    with (
        log.open("a", encoding="utf-8") as file,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=toolchain.environment(), pass_fds=(lock,),
        ) as process,
    ):  # fmt: skip
        lines = process.stdout or ()
        done = 0
        with reporter.bar(f"llama.cpp for the browser ({variant})", 100) as bar:
            for line in lines:
                file.write(line)
                percent = progress_percent(line)
                if percent is not None and percent > done:
                    bar.advance(percent - done)
                    done = percent
        code = process.wait()
    if code != 0:
        raise failure("the build", log)


def fixed_addresses() -> list[str]:
    """What to put before a command so that its memory is laid out the same each time: clang's output can depend on
    the order of addresses. Empty where the system does not have or allow it."""
    setarch = shutil.which("setarch")
    if setarch is None or subprocess.run([setarch, "-R", "true"], capture_output=True, check=False).returncode != 0:
        return []
    return [setarch, "-R"]


def progress_percent(line: str) -> int | None:
    """`[3/60] Building …` -> 5; `[ 50%] Building …` -> 50; anything else -> None."""
    steps = re.match(r"\[(\d+)/(\d+)\]", line)
    if steps:
        return 100 * int(steps[1]) // int(steps[2])
    percent = re.match(r"\[\s*(\d+)%\]", line)
    return int(percent[1]) if percent else None


def failure(what: str, log: Path) -> LilmError:
    """The first line of the log that looks like the cause."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    marks = ("No space left", "Killed", "error:", "Error:", "CMake Error", "fatal:")
    last = lines[-1] if lines else "no output"
    cause = next((line.strip() for mark in marks for line in lines if mark in line), last)
    return LilmError(f"{what} failed: {cause}", where=str(log), remedy="`lilm doctor` says what is missing")
