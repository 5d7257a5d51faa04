"""`lilm doctor`: what is found, missing or too old on this machine, and the command that mends each. NEEDS is the one
list of it; `lilm setup` (setup.py) goes through it too."""

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from lilm.commands import command
from lilm.errors import LilmError
from lilm.progress import Reporter

Status = Literal["ok", "slow", "too old", "missing", "low"]
BAD: tuple[Status, ...] = ("missing", "too old", "low")
GB = 1_000_000_000
DISK_GB = 10  # the quickstart with its environment and the browser build needs about 5
MEMORY_GB = 4
LLAMA_CPP_PYTHON = "0.3.36"  # the browser build is of the source inside this release


@dataclass(frozen=True)
class Finding:
    """One row. status: "slow" works, at a cost that `remedy` avoids. remedy: a command or one sentence, "" when ok.

    optional: everything but `needed_for` works without it. fetchable: `lilm setup` can get it.
    """

    name: str
    status: Status
    found: str
    needed_for: str
    remedy: str = ""
    optional: bool = False
    fetchable: bool = False


@dataclass(frozen=True)
class Need:
    """Something that LiLM uses. check: looks for it, and changes nothing. fetch: gets it into a folder of LiLM's own,
    without root; raises LilmError when it cannot. None: only the finding's remedy brings it."""

    check: Callable[[], Finding]
    fetch: Callable[[Reporter], object] | None = None

    def find(self) -> Finding:
        return replace(self.check(), fetchable=self.fetch is not None)


def parse_version(text: str) -> tuple[int, ...]:
    """The first dotted number in `text`.

    >>> parse_version("cmake version 3.25.1")
    (3, 25, 1)
    """
    match = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def apt(package: str) -> str:
    return f"sudo apt-get install {package}"


def all_at_once(findings: list[Finding]) -> str:
    """One command for all packages that are missing or too old, "" where there are fewer than two."""
    start = apt("")
    packages = [
        row.remedy.removeprefix(start) for row in findings if row.status in BAD and row.remedy.startswith(start)
    ]
    names = dict.fromkeys(re.split(r"[\s,]", one)[0] for one in packages)
    return start + " ".join(names) if len(names) > 1 else ""


def said(program: str, *arguments: str) -> str | None:
    """First line that a program answers; None when it does not run."""
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


def tool(
    name: str,
    programs: tuple[str, ...],
    needed_for: str,
    remedy: str,
    oldest: tuple[int, ...] = (),
    optional: bool = False,
    asked: str = "--version",
) -> Finding:
    """The first of `programs` on PATH, `asked` for its version."""
    for program in programs:
        path = shutil.which(program)
        answer = path and said(path, asked)
        if answer:
            version = parse_version(answer)
            status: Status = "too old" if version < oldest else "ok"
            wish = f"{remedy}  (at least {dotted(oldest)})" if status == "too old" else ""
            return Finding(name, status, f"{program} {dotted(version)}".strip(), needed_for, wish, optional)
    return Finding(name, "missing", "–", needed_for, remedy, optional)


def python() -> Finding:
    status: Status = "ok" if sys.version_info >= (3, 11) else "too old"
    return Finding(
        "Python", status, platform.python_version(), "everything", "" if status == "ok" else apt("python3.11")
    )


def package(name: str, needed_for: str, wanted: str = "") -> Finding:
    """An installed Python package; `wanted` is the one version that will do."""
    remedy = f"{sys.executable} -m pip install {name}{'==' + wanted if wanted else ''}"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", "–", needed_for, remedy)
    if wanted and version != wanted:
        return Finding(name, "too old", version, needed_for, remedy)
    return Finding(name, "ok", version, needed_for)


def in_python(code: str) -> tuple[str, str]:
    """(what the code printed, "" or why it failed), in a process of its own: a library that was built for another
    processor ends the one that loads it."""
    done = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1:] or [f"its process ended with {done.returncode}"]
    return done.stdout.strip(), last[0] if done.returncode else ""


def not_loaded(finding: Finding, why: str) -> Finding:
    """A package that lies there and cannot be used."""
    remedy = f"{sys.executable} -m pip install --force-reinstall --no-cache-dir {finding.name}=={finding.found}"
    return Finding(finding.name, "missing", f"{finding.found}, not loaded: {why}", finding.needed_for, remedy)


def llama_cpp() -> Finding:
    finding = package("llama-cpp-python", "export, bench, chat", LLAMA_CPP_PYTHON)
    _, why = in_python("import llama_cpp") if finding.status == "ok" else ("", "")
    return not_loaded(finding, why) if why else finding


GPUS = """import json, torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
print(json.dumps([torch.__version__, count, torch.cuda.get_device_name(0) if count else ""]))"""


def torch() -> Finding:
    """torch and the GPUs it sees; a GPU that the machine has and torch cannot use is told."""
    finding = package("torch", "training")
    if finding.status != "ok":
        return finding
    said, why = in_python(GPUS)
    if why:
        return not_loaded(finding, why)
    version, count, name = json.loads(said.splitlines()[-1])
    if count:
        return Finding("torch", "ok", f"{version}, {count} × {name}", "training")
    if shutil.which("nvidia-smi"):
        remedy = "pip install --force-reinstall torch  (this build of torch cannot use the GPU)"
        return Finding("torch", "slow", f"{version}, GPU not used", "training", remedy)
    return Finding("torch", "ok", f"{version}, CPU only", "training")


def emcc() -> Finding:
    """Emscripten: $EMSDK's, else the one on PATH."""
    from lilm.wasm.toolchain import FAST, INSTALL, OLDEST, emcc_version, find_emcc

    needed_for = "the browser build"
    path = find_emcc()
    if path is None:
        return Finding("emcc", "missing", "–", needed_for, INSTALL)
    try:
        version = emcc_version(path)
    except LilmError as error:
        return Finding("emcc", "missing", error.what, needed_for, INSTALL)
    if version < OLDEST:
        return Finding("emcc", "too old", dotted(version), needed_for, f"{INSTALL}, or install emsdk and set EMSDK")
    if version < FAST:
        remedy = f"works; `{command('wasm', 'toolchain')}` fetches one with which the page answers about twice as fast"
        return Finding("emcc", "slow", dotted(version), needed_for, remedy)
    return Finding("emcc", "ok", dotted(version), needed_for)


def fetch_emcc(reporter: Reporter) -> None:
    from lilm.wasm.toolchain import find_emcc, toolchain_dir
    from lilm.wasm.toolchain_fetch import fetch_toolchain

    emsdk, found = os.environ.get("EMSDK"), find_emcc()
    if emsdk and found is not None and found.is_relative_to(emsdk):
        raise LilmError(
            "EMSDK is set, and its emcc goes before all others", remedy="unset it, or set it to a newer one"
        )
    fetch_toolchain(toolchain_dir(), reporter)


def llama_cpp_source() -> Finding:
    """What the browser build is made of; the build fetches it itself where it is missing."""
    from lilm.wasm.source import sdist_file

    name, needed_for = "llama.cpp source", "the browser build, without a network"
    if sdist_file(LLAMA_CPP_PYTHON).is_file():
        return Finding(name, "ok", f"of {LLAMA_CPP_PYTHON}", needed_for)
    return Finding(name, "missing", "–", needed_for, f"`{command('setup')}` fetches it", optional=True)


def fetch_llama_cpp_source(reporter: Reporter) -> None:
    from lilm.wasm.source import fetch_sdist

    reporter.say(f"  fetching the source inside llama-cpp-python {LLAMA_CPP_PYTHON} from the package index: 77 MB")
    fetch_sdist(LLAMA_CPP_PYTHON)


def disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free / GB
    status: Status = "ok" if free >= DISK_GB else "low"
    remedy = "" if status == "ok" else f"free {DISK_GB - free:.0f} GB, or use --run on another disk"
    return Finding("disk", status, f"{free:.0f} GB free", "models and checkpoints", remedy)


def memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available / GB
    status: Status = "ok" if free >= MEMORY_GB else "low"
    remedy = "" if status == "ok" else "close other programs, or use a smaller base model"
    return Finding("memory", status, f"{free:.1f} GB available", "training", remedy)


NEEDS: tuple[Need, ...] = (
    Need(python),
    Need(torch),
    Need(llama_cpp),
    Need(lambda: tool("C compiler", ("cc", "gcc", "clang"), "llama-cpp-python", apt("build-essential"))),
    Need(lambda: tool("make", ("make",), "setup and tests", apt("make"))),
    Need(lambda: tool("cmake", ("cmake",), "the browser build", apt("cmake"), (3, 14))),
    Need(lambda: tool("patch", ("patch",), "the browser build", apt("patch"))),
    Need(lambda: tool("ninja", ("ninja",), "faster builds (else make)", apt("ninja-build"), optional=True)),
    Need(emcc, fetch_emcc),
    Need(llama_cpp_source, fetch_llama_cpp_source),
    Need(lambda: tool("node", ("node", "nodejs"), "checking the browser build", apt("nodejs"), (16, 4))),
    Need(
        lambda: tool(
            "chromium",
            ("chromium", "chromium-browser", "google-chrome"),
            "browser tests",
            apt("chromium"),
            optional=True,
        )
    ),
    # `openssl --version` is understood from 3.1 on only: Debian 12 and Ubuntu 24.04 have 3.0
    Need(
        lambda: tool(
            "openssl", ("openssl",), "`lilm serve --lan --certificate`", apt("openssl"), optional=True, asked="version"
        )
    ),
    Need(lambda: disk(Path.cwd())),
    Need(memory),
)


def find_all() -> list[Finding]:
    """One row per thing that LiLM uses. Changes nothing."""
    return [need.find() for need in NEEDS]


def exit_code(findings: list[Finding]) -> int:
    """0 when all that is needed is there, else 1."""
    return int(any(finding.status in BAD and not finding.optional for finding in findings))


def show_findings(json_out: bool = False, findings: list[Finding] | None = None) -> int:
    """Print the table, or JSON, and answer the exit code. findings: of NEEDS; None: they are made here."""
    from lilm.progress import text_console

    console = text_console()
    findings = find_all() if findings is None else findings
    if json_out:
        console.print_json(json.dumps([asdict(finding) for finding in findings]))
        return exit_code(findings)
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "slow": "yellow"}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("", "status", "found", "needed for", "what mends it"):
        table.add_column(title, overflow="fold")
    for row in findings:
        colour = colours.get(row.status, "yellow" if row.optional else "red")
        cells = [Text(row.name, "bold"), Text(row.status, colour), Text(row.found), Text(row.needed_for, "dim")]
        table.add_row(*cells, Text(row.remedy))
    console.print(table)
    if together := all_at_once(findings):
        console.print(f"all at once: {together}", highlight=False, markup=False, soft_wrap=True)
    if names := [row.name for row in findings if row.status in BAD and row.fetchable]:
        said = f"without root: `{command('setup')}` fetches {' and '.join(names)}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    bad = sum(row.status in BAD and not row.optional for row in findings)
    console.print("Ready." if not bad else f"{bad} of {len(findings)} to mend.", style="bold")
    return exit_code(findings)
