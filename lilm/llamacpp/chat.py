"""A chat with a GGUF model that runs in a child process: text comes piece by piece and can be stopped."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

import lilm
from lilm.errors import LilmError
from lilm.llamacpp.engine import REMEDY, check_gguf
from lilm.llamacpp.wire import read_message, write_message
from lilm.recipe import SamplingConfig

# -P keeps the working folder out of the import path; the package's own place goes to its end.
START = (
    "import sys; sys.path.append(sys.argv[1]); from lilm.llamacpp.chat_worker import main;"
    " main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))"
)
# llama.cpp's threads wait for each other many times per token. By default they spin, and on a machine with other
# work on its cores that makes two threads a hundred times slower than one; so they soon sleep instead.
SPIN_BRIEFLY = {"GOMP_SPINCOUNT": "1000"}


class ChatEngine:
    """A GGUF file open for chatting, on the CPU; one answer at a time. Close it, or use it in a `with`.

    n_ctx: context in tokens; a model trained on less gets what it was trained on. threads: 0 takes one per core.
    Raises LilmError when the file is missing, is not GGUF, has no chat template or does not load.
    """

    def __init__(self, model: Path, *, n_ctx: int = 4096, threads: int = 0) -> None:
        check_gguf(model)
        self.model = model
        self._answering = threading.Lock()
        self._writing = threading.Lock()
        threads = threads or psutil.cpu_count(logical=False) or 1  # hyperthreads slow llama.cpp down
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        root = Path(lilm.__file__).resolve().parent.parent
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(root), str(model), str(n_ctx), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**SPIN_BRIEFLY, **os.environ},
            start_new_session=True,  # Ctrl-C reaches the parent only, which then closes the pipe
        )
        try:
            self.n_ctx: int = self._receive("it cannot be loaded")["n_ctx"]
        except BaseException:
            self.close()
            raise

    def chat(
        self, messages: Sequence[Mapping[str, str]], sampling: SamplingConfig, *, n_predict: int = 512, seed: int = 0
    ) -> Iterator[str]:
        """Pieces of the answer to `messages` ({role, content}, the last from the user), as they come.

        When the chat does not fit the context, its oldest exchanges are left out. Leaving the iterator early
        stops the model. Raises LilmError when the last message alone does not fit, or the child died.
        """
        with self._answering:
            options = {**sampling.model_dump(), "n_predict": n_predict, "seed": seed}
            self._send({"messages": [dict(message) for message in messages], "sampling": options})
            done = False
            try:
                while True:
                    answer = self._receive("it cannot answer")
                    done = "done" in answer
                    if done:
                        return
                    if answer["text"]:
                        yield answer["text"]
            except LilmError:
                done = True
                raise
            finally:
                if not done:
                    self.stop()
                    while "done" not in self._receive("it cannot answer"):
                        pass

    def stop(self) -> None:
        """End the running answer after its current token; without one nothing happens."""
        self._send({"stop": True})

    def close(self) -> None:
        """End the child process, also in the middle of an answer."""
        if self._child.stdin is not None and not self._child.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # it died with unread commands; nothing is lost
                self._child.stdin.close()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        self._log.close()

    def _send(self, head: dict[str, Any]) -> None:
        try:
            with self._writing:
                write_message(self._child.stdin, head)  # type: ignore[arg-type]
        except BrokenPipeError as error:
            raise self._died() from error

    def _receive(self, failure: str) -> dict[str, Any]:
        try:
            head, _ = read_message(self._child.stdout)  # type: ignore[arg-type]
        except EOFError as error:
            raise self._died() from error
        if "refused" in head:
            remedy = REMEDY if "load" in failure else "shorten the message, or begin a new chat"
            raise LilmError(f"{failure}: {head['refused']}", where=str(self.model), remedy=remedy)
        return head

    def _died(self) -> LilmError:
        code = self._child.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self._log.seek(0)
        last = " | ".join(self._log.read().decode("utf-8", errors="replace").strip().splitlines()[-4:])
        return LilmError(
            f"the llama.cpp process ended with {how}: {last or 'it said nothing'}", where=str(self.model), remedy=REMEDY
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
