"""Spoilt requests to `lilm serve`, which runs as it does for a user: another process behind a port."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/")
STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})[ \r]")
SECRET = b"secret"  # what lies beside the site
WAIT = 20  # seconds for an answer


@contextmanager
def server(own: Path) -> Iterator[Callable[[Path, Path], None]]:
    """What sends the request in a seed's folder. A copy of the first one's site, in the folder `own`, is served."""
    started: list[tuple[subprocess.Popen[str], int]] = []
    with (own / "log").open("w+", encoding="utf-8", errors="replace") as log:

        def send(folder: Path, out: Path) -> None:
            if not started:
                shutil.copytree(folder, own / "run")
                started.append(_start(own / "run", log))
            process, port = started[0]
            answer = _asked(port, (folder / "request").read_bytes())
            log.seek(0)
            said = log.read()
            log.seek(0)
            log.truncate()
            if process.poll() is not None:
                raise AssertionError(f"the server has ended with {process.returncode}: {said}")
            if "Traceback" in said or "Exception" in said:
                raise AssertionError(f"the server says: {said}")
            status = STATUS.match(answer)
            if SECRET in answer:
                raise AssertionError("a file from outside the site was sent")
            if status is not None and status[1].startswith(b"5") and status[1] not in (b"501", b"505"):
                raise AssertionError(f"the server answers {answer[:80]!r}")

        try:
            yield send
        finally:
            for process, _ in started:
                process.terminate()
                process.wait()


def _start(folder: Path, log: IO[str]) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "lilm", "serve", str(folder)],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    said = ""
    while process.stdout is not None and (line := process.stdout.readline()):
        said += line
        if found := ADDRESS.search(said):
            return process, int(found[1])
    raise AssertionError(f"lilm serve does not start: {said}")


def _asked(port: int, request: bytes) -> bytes:
    """What the server answers before it ends the connection."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                answer += part
        except (BrokenPipeError, ConnectionResetError):  # it has refused before it read all
            pass
        except OSError as error:
            if not isinstance(error, TimeoutError) and error.errno is not None:
                return answer
            raise
    return answer
