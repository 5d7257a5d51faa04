"""Finds Emscripten and the tools around it, and knows what an old one cannot do."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lilm.cache import cache_dir
from lilm.errors import LilmError

INSTALL = "sudo apt-get install emscripten"
NEWER = "run `lilm wasm toolchain`, which fetches a new one and leaves the machine as it is"
OLDEST = (3, 1, 6)  # Debian 12's
FAST = (4, 0, 0)  # from here on LLVM's code for SIMD is about twice as fast
STACK_SIZE_SINCE = (3, 1, 25)  # before, the setting was called TOTAL_STACK
NODE_MODULES = Path("/usr/share/nodejs")  # where Debian puts acorn, which its emcc needs and does not find
# emcc is a Python program that imports the modules beside it; ours may run with settings that hide them.
PYTHON_SETTINGS = ("PYTHONSAFEPATH", "PYTHONPATH", "PYTHONHOME")


@dataclass(frozen=True)
class Toolchain:
    """emcc: the compiler driver. cmake_file: the CMake toolchain file. ninja: None means make is used."""

    emcc: Path
    version: tuple[int, int, int]
    cmake_file: Path
    cmake: Path
    ninja: Path | None
    node: Path

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def relaxed_simd(self) -> bool:
        """Does it know the instructions of relaxed SIMD that the kernels use?"""
        return self.version >= FAST

    @property
    def memory64(self) -> bool:
        """Does it build for 64-bit memory? Old ones crash."""
        return self.version >= FAST

    @property
    def remark(self) -> str:
        """What this compiler costs the one who uses the page; empty for a new one."""
        if self.version >= FAST:
            return ""
        return f"Emscripten {self.version_text} makes a slow core, without relaxed SIMD: {NEWER}"

    @property
    def stack_setting(self) -> str:
        return "STACK_SIZE" if self.version >= STACK_SIZE_SINCE else "TOTAL_STACK"

    def environment(self) -> dict[str, str]:
        """Variables the build's processes run with."""
        variables = emcc_environment()
        if self.emcc.is_relative_to("/usr") and NODE_MODULES.is_dir():
            paths = [path for path in variables.get("NODE_PATH", "").split(os.pathsep) if path]
            variables["NODE_PATH"] = os.pathsep.join([*paths, str(NODE_MODULES)])
        return variables


def toolchain_dir() -> Path:
    """Where `lilm wasm toolchain` puts a new Emscripten."""
    return cache_dir() / "toolchain"


def fetched_emcc(folder: Path) -> Path | None:
    """emcc of a folder that fetch_toolchain made, None when that is not there."""
    emcc = folder / "bin" / "emcc"
    return emcc if emcc.is_file() else None


def find_node() -> Path:
    """Raises LilmError when there is no node."""
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        raise LilmError("node is not installed", remedy="run `sudo apt-get install nodejs`")
    return Path(node)


def find_emcc() -> Path | None:
    """$EMSDK's emcc when that is set, else the one that was fetched, else the one on PATH."""
    emsdk = os.environ.get("EMSDK")
    for place in [Path(emsdk) / "upstream" / "emscripten", Path(emsdk)] if emsdk else []:
        found = shutil.which("emcc", path=place)
        if found:
            return Path(found)
    fetched, found = fetched_emcc(toolchain_dir()), shutil.which("emcc")
    return fetched or (Path(found) if found else None)


def toolchains() -> list[Toolchain]:
    """find_toolchain()'s first; then that of the emcc on PATH, when it is another version. Raises as that does."""
    found = [find_toolchain()]
    on_path = shutil.which("emcc")
    if on_path and emcc_version(Path(on_path)) != found[0].version:
        found.append(find_toolchain(Path(on_path)))
    return found


def emcc_environment() -> dict[str, str]:
    """The environment without what is meant for our Python alone."""
    return {name: value for name, value in os.environ.items() if name not in PYTHON_SETTINGS}


def emcc_version(emcc: Path) -> tuple[int, int, int]:
    """Raises LilmError when emcc does not run or says no version."""
    done = subprocess.run([str(emcc), "--version"], capture_output=True, text=True, env=emcc_environment(), check=False)
    match = re.search(r"\b(\d+)\.(\d+)\.(\d+)\b", done.stdout.partition("\n")[0])
    if done.returncode != 0 or match is None:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise LilmError(f"emcc does not run ({said})", where=str(emcc), remedy=f"run `{INSTALL}`")
    return int(match[1]), int(match[2]), int(match[3])


def cmake_toolchain_file(emcc: Path) -> Path:
    """Emscripten's CMake toolchain file; raises LilmError when it is not there."""
    inside = Path("cmake", "Modules", "Platform", "Emscripten.cmake")
    for root in (emcc.resolve().parent, Path("/usr/share/emscripten")):
        if (root / inside).is_file():
            return root / inside
    raise LilmError(f"no {inside} beside emcc", where=str(emcc), remedy="reinstall Emscripten")


def find_toolchain(emcc: Path | None = None) -> Toolchain:
    """Everything the wasm build calls, with this emcc or find_emcc()'s. Raises LilmError with the command to type for
    the first thing missing."""
    emcc = emcc or find_emcc()
    if emcc is None:
        raise LilmError("Emscripten (emcc) is not installed", remedy=f"run `{INSTALL}`")
    release = emcc_version(emcc)
    if release < OLDEST:
        found, oldest = (".".join(map(str, one)) for one in (release, OLDEST))
        raise LilmError(f"Emscripten {found} is older than {oldest}", where=str(emcc), remedy=f"run `{INSTALL}`")
    cmake = shutil.which("cmake")
    if cmake is None:
        raise LilmError("cmake is not installed", remedy="run `sudo apt-get install cmake`")
    ninja = shutil.which("ninja")
    if ninja is None and shutil.which("make") is None:
        raise LilmError("neither ninja nor make is installed", remedy="run `sudo apt-get install ninja-build`")
    return Toolchain(
        emcc, release, cmake_toolchain_file(emcc), Path(cmake), Path(ninja) if ninja else None, find_node()
    )
