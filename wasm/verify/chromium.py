"""One page in a fresh headless Chromium, which sends back what it measured."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil

from lilm.errors import LilmError
from lilm.temporary import temporary_folder

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
MOST_BODY = 1 << 26  # bytes of an answer: the tokens of thousands of chats are some megabytes
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",  # with these two the page gets shared memory, and so threads
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cache-Control": "no-store",
}
MIME = {
    "": "application/octet-stream",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}


def find_chromium() -> str:
    """Raises LilmError when there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise LilmError("Chromium is not installed", remedy="sudo apt-get install chromium")
    return found


class PageServer(ThreadingHTTPServer):
    """Serves the folder `root` to a page on this machine; what that posts to /result is kept in `answer`."""

    request_queue_size = 64  # a page asks for a dozen modules at once

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(root)))
        self.answer: dict[str, Any] | None = None
        self.answered = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Chromium is ended while it holds connections, and drops what it no longer wants: no errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PageServer
    extensions_map = MIME

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        if self.path != "/result" or not 0 < size <= MOST_BODY:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.server.answer = json.loads(self.rfile.read(size))
        self.server.answered.set()
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the terminal belongs to the stage."""


@contextmanager
def serving(root: Path) -> Iterator[PageServer]:
    with PageServer(root) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask_page(
    server: PageServer,
    page: str,
    options: Mapping[str, object],
    profile: Path | None = None,
    patience: float = 600,
    watch_memory: bool = False,
) -> dict[str, Any]:
    """Open `page`?options in a Chromium of its own and wait for its answer.

    profile: folder that is kept; None: a fresh one. patience: seconds. watch_memory: add `peak_bytes`, the most memory
    that the process with the page took, proportional set size; the watching takes a fifth of a core with a model of
    700 MB. Raises LilmError when the page says `error`, Chromium ends, or nothing comes.
    """
    server.answer = None
    server.answered.clear()
    where = f"{page}?{urlencode(options)}"
    with temporary_folder("chromium") as fresh:
        command = [find_chromium(), *FLAGS, f"--user-data-dir={profile or fresh}"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # which Chromium refuses to root
        command.append(f"http://127.0.0.1:{server.server_port}/{where}")
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(fresh)},  # it is killed, and leaves its temporary folders
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
        raise LilmError(str(answer["error"]), where=where, remedy="a smaller model needs less memory")
    return {**answer, **memory}


def _wait(server: PageServer, process: "subprocess.Popen[bytes]", patience: float) -> None:
    until = time.monotonic() + patience
    while not server.answered.wait(0.2) and process.poll() is None and time.monotonic() < until:
        pass


def _watch(server: PageServer, process: "subprocess.Popen[bytes]", patience: float) -> int:
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
