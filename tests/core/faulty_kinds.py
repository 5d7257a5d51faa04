"""A kind whose reader does what its input says: what the fault suite must tell apart."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lilm.errors import LilmError
from lilm.train.faults.kinds import Kind, Read


def write(folder: Path) -> None:
    (folder / "one").mkdir(parents=True)
    (folder / "one" / "input").write_text("read", encoding="utf-8")


def read(folder: Path, out: Path) -> None:
    word = (folder / "input").read_text(encoding="utf-8")
    if word == "refuse":
        raise LilmError("no", where="input")
    if "raise" in word:
        raise KeyError(word)
    if word == "die":
        os._exit(3)
    if word == "panic":
        os.write(sys.stderr.fileno(), b"thread 'main' panicked at a.rs:1")
    if word == "compute":
        while True:
            pass
    if word == "wait":
        time.sleep(60)
    if word == "be stopped":
        subprocess.Popen(["sh", "-c", f"sleep 4; kill -CONT {os.getpid()}"])
        os.kill(os.getpid(), signal.SIGSTOP)
    if word == "eat":
        eaten = bytearray(b"x") * 600_000_000
        time.sleep(60)
        eaten.clear()
    if word in ("leave", "leave a temporary file"):
        out.mkdir()
        place = Path(tempfile.gettempdir()) if "temporary" in word else out
        (place / "half").write_text("half", encoding="utf-8")
        raise LilmError("no", where="input")


@contextmanager
def opened(folder: Path) -> Iterator[Read]:
    yield read


KINDS = {"odd": Kind("odd", write, {"input": "text"}, opened)}
