"""One page in a fresh headless Chromium, which sends back what it measured."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil

from lilm.demo.handler import SiteHandler
from lilm.demo.serve import SiteServer
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
MOST_BODY = 1 << 20  # bytes of an answer


def find_chromium() -> str:
    """Raises LilmError when there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise LilmError("Chromium is not installed", remedy="sudo apt-get install chromium")
    return found


class BenchServer(SiteServer):
    """Serves a folder; what is posted to /result is kept in `answer`."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Chromium is ended while it holds connections, which is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), type("Handler", (_Handler,), {"root": root.resolve(), "bench": self}))
        self.answer: dict[str, Any] | None = None
        self.answered = threading.Event()


class _Handler(SiteHandler):
    bench: BenchServer

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        if self.path != "/result" or not 0 < size <= MOST_BODY:
            self._refuse(HTTPStatus.NOT_FOUND, with_body=True)
            return
        self.bench.answer = json.loads(self.rfile.read(size))
        self.bench.answered.set()
        self._head(HTTPStatus.NO_CONTENT, {"Content-Length": "0"})


@contextmanager
def serving(root: Path) -> Iterator[BenchServer]:
    with BenchServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


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
        command.append(f"http://127.0.0.1:{server.server_port}/{where}")
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
