"""Finds Emscripten and the tools around it, and knows what an old one cannot do."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lilm.errors import LilmError

INSTALL = "run `sudo apt-get install emscripten cmake ninja-build nodejs`"
OLDEST = (3, 1, 6)  # Debian 12's
FAST = (4, 0, 0)  # from here on LLVM's code for SIMD is about twice as fast
STACK_SIZE_SINCE = (3, 1, 25)  # before, the setting was called TOTAL_STACK
NODE_MODULES = Path("/usr/share/nodejs")  # where Debian puts acorn, which its emcc needs and does not find


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
    def stack_setting(self) -> str:
        return "STACK_SIZE" if self.version >= STACK_SIZE_SINCE else "TOTAL_STACK"

    def environment(self) -> dict[str, str]:
        """Variables the build's processes run with."""
        variables = dict(os.environ)
        if self.emcc.is_relative_to("/usr") and NODE_MODULES.is_dir():
            paths = [path for path in variables.get("NODE_PATH", "").split(os.pathsep) if path]
            variables["NODE_PATH"] = os.pathsep.join([*paths, str(NODE_MODULES)])
        return variables


@dataclass(frozen=True)
class Description:
    """For `lilm doctor`. note: what the version found costs; remedy: the command that mends it."""

    found: bool
    version: str
    note: str
    remedy: str


def find_node() -> Path:
    """Raises LilmError when there is no node."""
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None:
        raise LilmError("node is not installed", remedy="run `sudo apt-get install nodejs`")
    return Path(node)


def find_emcc() -> Path | None:
    """$EMSDK's emcc when that is set, else the one on PATH."""
    emsdk = os.environ.get("EMSDK")
    places = [str(Path(emsdk) / "upstream" / "emscripten"), emsdk] if emsdk else []
    for place in [*places, None]:
        found = shutil.which("emcc", path=place)
        if found:
            return Path(found)
    return None


def emcc_version(emcc: Path) -> tuple[int, int, int]:
    """Raises LilmError when emcc does not run or says no version."""
    done = subprocess.run([str(emcc), "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"\b(\d+)\.(\d+)\.(\d+)\b", done.stdout.partition("\n")[0])
    if done.returncode != 0 or match is None:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise LilmError(f"emcc does not run ({said})", where=str(emcc), remedy=INSTALL)
    return int(match[1]), int(match[2]), int(match[3])


def cmake_toolchain_file(emcc: Path) -> Path:
    """Emscripten's CMake toolchain file; raises LilmError when it is not there."""
    inside = Path("cmake", "Modules", "Platform", "Emscripten.cmake")
    for root in (emcc.resolve().parent, Path("/usr/share/emscripten")):
        if (root / inside).is_file():
            return root / inside
    raise LilmError(f"no {inside} beside emcc", where=str(emcc), remedy="reinstall Emscripten")


def find_toolchain() -> Toolchain:
    """Everything the wasm build calls. Raises LilmError with the command to type for the first thing missing."""
    emcc = find_emcc()
    if emcc is None:
        raise LilmError("Emscripten (emcc) is not installed", remedy=INSTALL)
    release = emcc_version(emcc)
    if release < OLDEST:
        found, oldest = (".".join(map(str, one)) for one in (release, OLDEST))
        raise LilmError(f"Emscripten {found} is older than {oldest}", where=str(emcc), remedy=INSTALL)
    cmake = shutil.which("cmake")
    if cmake is None:
        raise LilmError("cmake is not installed", remedy="run `sudo apt-get install cmake`")
    ninja = shutil.which("ninja")
    if ninja is None and shutil.which("make") is None:
        raise LilmError("neither ninja nor make is installed", remedy="run `sudo apt-get install ninja-build`")
    return Toolchain(
        emcc, release, cmake_toolchain_file(emcc), Path(cmake), Path(ninja) if ninja else None, find_node()
    )


def describe() -> Description:
    """What is found, and what it costs, in one line each."""
    try:
        toolchain = find_toolchain()
    except LilmError as error:
        return Description(False, "", error.what, error.remedy)
    if toolchain.version < FAST:
        note = "works; a current Emscripten makes the browser build about 2.4 times as fast"
        return Description(True, toolchain.version_text, note, "install the emsdk and set EMSDK")
    return Description(True, toolchain.version_text, "", "")
