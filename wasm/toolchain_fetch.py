"""Gets a new Emscripten into a folder of our own: Debian's packages, unpacked and run by their own loader.

Needs apt and dpkg-deb, but no root, no chroot and no space outside the folder; nothing on the machine changes.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from lilm.cache import put_in_place
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.temporary import temporary_folder
from lilm.wasm.toolchain import emcc_version, fetched_emcc

MIRROR = "http://deb.debian.org/debian"  # signed and hashed, so http will do
SUITE = "forky"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
OTHERWISE = "install emsdk (https://emscripten.org) and set EMSDK to its folder"
# What emcc calls of LLVM, by Debian's names but for the version behind them.
LLVM_TOOLS = (
    *("clang", "clang++", "clang-scan-deps", "wasm-ld", "llvm-ar", "llvm-cxxfilt", "llvm-dwarfdump", "llvm-dwp"),
    *("llvm-nm", "llvm-objcopy", "llvm-ranlib", "llvm-strip"),
)


def fetch_toolchain(folder: Path, reporter: Reporter) -> Path:
    """The path of emcc inside `folder`, which is made whole or not at all; what is there already is kept.

    170 MB come over the network, 800 MB stay on disk. find_toolchain finds it in `cache_dir() / "toolchain"`.
    Raises LilmError when apt is missing or cannot fetch, or when the compiler does not run here.
    """
    if fetched_emcc(folder) is None:
        check_host()
        folder.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder("toolchain", folder.parent) as part:
            debs = download_packages(part / "apt", reporter)
            new = part / "new"
            (new / "root").mkdir(parents=True)
            with reporter.bar("unpacking", len(debs)) as bar:
                for deb in debs:
                    run(["dpkg-deb", "-x", str(deb), str(new / "root")], "dpkg-deb")
                    bar.advance()
            set_up(new, folder)
            put_in_place(new, folder)
    emcc = fetched_emcc(folder)
    if emcc is None:
        raise LilmError("no Emscripten in this folder", where=str(folder), remedy="delete it and start again")
    release = ".".join(map(str, emcc_version(emcc)))
    reporter.say(f"  Emscripten {release} in {folder}")
    return emcc


def check_host() -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise LilmError(f"{tool} is not here: this is no Debian or Ubuntu", remedy=OTHERWISE)
    if not KEYRING.is_file():
        raise LilmError(
            "Debian's keys are not here", where=str(KEYRING), remedy="run `sudo apt-get install debian-archive-keyring`"
        )


def download_packages(folder: Path, reporter: Reporter) -> list[Path]:
    """Emscripten's .debs with all that they need, by an apt whose every file is in `folder`."""
    for name in ("etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "state" / "status").touch()  # nothing is installed: all dependencies come along
    (folder / "etc" / "sources.list").write_text(f"deb [signed-by={KEYRING}] {MIRROR} {SUITE} main\n")
    settings = {
        "Dir::Etc": folder / "etc",
        "Dir::Etc::sourceparts": "-",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state" / "status",
        "Dir::Cache": folder / "cache",
        "Acquire::Check-Valid-Until": "false",  # a mirror of last month will do
        "Acquire::Languages": "none",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
    }
    config = folder / "apt.conf"
    config.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    environment = {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C"}
    reporter.say(f"  fetching Emscripten from {MIRROR} ({SUITE}): 170 MB")
    run(["apt-get", "-qq", "update"], "apt-get update", environment)
    run(["apt-get", "-qq", "-y", "--download-only", "install", "emscripten"], "apt-get", environment)
    debs = sorted((folder / "cache" / "archives").glob("*.deb"))
    if not debs:
        raise LilmError(f"{MIRROR} has no emscripten for this machine", remedy=OTHERWISE)
    return debs


def run(command: list[str], what: str, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"]
        cause = next((line for line in said if line.startswith("E:")), said[-1])
        raise LilmError(f"{what} failed: {cause}", remedy=f"try again later, or {OTHERWISE}")


def set_up(new: Path, folder: Path) -> None:
    """Make what dpkg unpacked into new/root runnable from folder/root, where it will lie in the end."""
    root = new / "root"
    loader = next(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"), None)
    llvm = max(root.glob("usr/lib/llvm-*"), key=lambda path: int(path.name.split("-")[1]), default=None)
    if loader is None or llvm is None:
        raise LilmError("the packages hold no compiler", where=MIRROR, remedy=OTHERWISE)
    release = llvm.name.split("-")[1]
    final = folder / "root"
    llvm_lib = final / llvm.relative_to(root) / "lib"
    libraries = f"{final / loader.parent.relative_to(root)}:{llvm_lib}"
    start = [str(final / loader.relative_to(root)), "--library-path", libraries]

    programs = {f"{tool}-{release}": llvm / "bin" / tool for tool in LLVM_TOOLS}
    # Of Binaryen; LLVM's in this folder are links.
    programs |= {path.name: path for path in root.glob("usr/bin/wasm*") if not path.is_symlink()}
    (new / "bin").mkdir()
    for name, program in programs.items():
        wrapper = new / "bin" / name
        # Run by the loader, clang does not know where it lies: neither for its headers nor to run itself.
        own = ["-no-canonical-prefixes", f"-resource-dir={llvm_lib / 'clang' / release}"] if "clang" in name else []
        wrapper.write_text(wrapper_script(start, str(final / program.relative_to(root)), own))
        wrapper.chmod(0o755)
    configure_emscripten(new, folder, release)


def wrapper_script(start: list[str], program: str, own: list[str]) -> str:
    """Runs `program` by the loader command `start`. own: goes before the arguments, but for clang's `-cc1…`."""
    command = f'exec {shlex.join(start)} --argv0 "$0" {shlex.quote(program)}'
    lines = ["#!/bin/sh"]
    if own:
        lines.append(f'case "$1" in -cc1*) ;; *) set -- {shlex.join(own)} "$@" ;; esac')
    return "\n".join([*lines, f'{command} "$@"']) + "\n"


def configure_emscripten(new: Path, folder: Path, release: str) -> None:
    inside = Path("root", "usr", "share", "emscripten")
    settings = {  # without NODE_JS: the node on PATH, as Debian's insists on files in /usr
        "LLVM_ROOT": str(folder / "bin"),
        "BINARYEN_ROOT": str(folder),
        "CACHE": str(folder / "cache"),
        "LLVM_ADD_VERSION": release,
        "CLANG_ADD_VERSION": release,
    }
    lines = [f"{name} = {value!r}\n" for name, value in settings.items()]
    (new / inside / ".emscripten").write_text("".join(lines))
    (new / inside / "node_modules").symlink_to("../nodejs")  # where emcc looks for acorn
    (new / "cache").mkdir()
    (new / "bin" / "emcc").symlink_to(folder / inside / "emcc")
