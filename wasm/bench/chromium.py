"""One page in a fresh headless Chromium, which sends back what it measured."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lilm.demo.handler import site_app
from lilm.demo.hosts import LOCAL, names_of
from lilm.demo.serve import Server
from lilm.errors import LilmError

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str:
    """Raises LilmError when there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise LilmError("Chromium is not installed", remedy="sudo apt-get install chromium")
    return found


class BenchServer(Server):
    """Serves a folder; what is posted to /result is kept in `answer`."""

    def __init__(self, root: Path) -> None:
        routes = [Route("/result", self._keep, methods=["POST"])]
        super().__init__(site_app(root, names_of(LOCAL[0]), routes), socket.create_server((LOCAL[0], 0)))
        self.answer: dict[str, Any] | None = None
        self.answered = threading.Event()

    async def _keep(self, request: Request) -> Response:
        self.answer = await request.json()
        self.answered.set()
        return Response(status_code=204)


@contextmanager
def serving(root: Path) -> Iterator[BenchServer]:
    server = BenchServer(root)
    with server.in_background():
        yield server


def ask_page(
    server: BenchServer,
    page: str,
    options: dict[str, Any],
    profile: Path | None = None,
    patience: float = 600,
    watch_memory: bool = False,
) -> dict[str, Any]:
    """Open `page`?options in a Chromium of its own and wait for its answer.

    profile: folder that is kept; None: a fresh one. patience: seconds. watch_memory: add `peak_bytes`, the most memory
    that the process with the page took, proportional set size; the watching takes a fifth of a core with a model of
    700 MB. Raises LilmError when the page says `error`,
    Chromium ends, or nothing comes.
    """
    server.answer = None
    server.answered.clear()
    where = f"{page}?{urlencode(options)}"
    with tempfile.TemporaryDirectory(prefix="lilm-chromium-") as fresh:
        command = [find_chromium(), *FLAGS, f"--user-data-dir={profile or fresh}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # which Chromium refuses to root
        command.append(server.url + where)
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": fresh},  # it is killed, and leaves its temporary folders
        )
        try:
            memory = {"peak_bytes": _watch(server, process, patience)} if watch_memory else {}
            _wait(server, process, patience)
        finally:
            _end(process)
    answer = server.answer
    if answer is None:
        raise LilmError("Chromium gave no answer", where=where, remedy="try it by hand: `lilm serve`")
    if "error" in answer:
        raise LilmError(str(answer["error"]), where=where, remedy="a smaller --shape needs less memory")
    return {**answer, **memory}


def _wait(server: BenchServer, process: "subprocess.Popen[bytes]", patience: float) -> None:
    until = time.monotonic() + patience
    while not server.answered.wait(0.2) and process.poll() is None and time.monotonic() < until:
        pass


def _watch(server: BenchServer, process: "subprocess.Popen[bytes]", patience: float) -> int:
    """Wait for the answer; the largest memory of one of Chromium's processes meanwhile, bytes."""
    peak, until = 0, time.monotonic() + patience
    while not server.answered.wait(0.05) and process.poll() is None and time.monotonic() < until:
        with suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                if "--type=renderer" in child.cmdline():
                    peak = max(peak, child.memory_full_info().pss)
    return peak


def _end(process: "subprocess.Popen[bytes]") -> None:
    children: list[psutil.Process] = []
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for child in children:
        with suppress(psutil.Error):
            child.kill()
    process.wait()
    psutil.wait_procs(children, timeout=5)
