"""A GGUF model that writes several answers at once in a child process."""

import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from itertools import count
from pathlib import Path
from typing import Any

from lilm.closing import Closing
from lilm.errors import LilmError
from lilm.llamacpp.answers import Order, Outcome
from lilm.llamacpp.chat import open_to_write, too_long, unanswerable
from lilm.llamacpp.client import Refused
from lilm.llamacpp.sliding import could_fit

PARALLEL = 16  # below 8, some types are no faster on a CPU than one answer after another

Written = tuple[str, Outcome]


class ChatPool(Closing):
    """A GGUF file that answers up to `parallel` chats at once, on the CPU. Close it, or use it in a `with`.

    Each answer is of its own chat, and fails alone. What is written beside it decides how its logits are rounded, so
    where two tokens are nearly as likely the same chat can get another answer in another run. `parallel` 1 gives those
    of a ChatEngine.
    n_ctx, threads: as of ChatEngine. All answers share the memory of one such context, or 512 MiB where that is more;
    one for which there is no room waits.
    Raises LilmError as ChatEngine.
    """

    def __init__(self, model: Path, *, n_ctx: int = 4096, threads: int = 0, parallel: int = PARALLEL) -> None:
        self._model, self._lock = model, threading.Lock()
        self._asked: dict[int, Future[Written]] = {}
        self._numbers, self._ended = count(), False
        self._client = open_to_write(model, n_ctx, threads, parallel=parallel)
        self.n_ctx: int = self._client.opened["n_ctx"]
        parts = self._client.parts("chats")
        try:
            next(parts)  # from here on it takes what is added
        except BaseException:
            self._client.close()
            raise
        self._reader = threading.Thread(target=self._read, args=(parts,), daemon=True)
        self._reader.start()

    def write(self, messages: Sequence[Mapping[str, str]], order: Order) -> "Future[Written]":
        """The answer to messages, as of ChatEngine.write: (text, how it ended). To be called from any thread.

        The future raises Unanswerable when what is asked does not fit, or the template or llama.cpp refuses it, and
        LilmError when the child died, with which all others end too.
        """
        future: Future[Written] = Future()
        future.set_running_or_notify_cancel()  # who does not wait any more leaves it to the model
        asked = [dict(message) for message in messages]
        if not could_fit(asked, self.n_ctx):
            future.set_exception(unanswerable(self._model, too_long(self.n_ctx)))
            return future
        with self._lock:
            number = next(self._numbers)
            if self._ended:
                future.set_exception(self._error("it writes no more"))
                return future
            self._asked[number] = future
        self._client.add(number=number, messages=asked, order=vars(order))
        return future

    def _read(self, parts: Generator[Any, None, Any]) -> None:
        """Hands out what the child sends, until it ends."""
        error: LilmError | None = None
        try:
            for number, text, how in parts:
                with self._lock:
                    future = self._asked.pop(number)
                if isinstance(how, str):
                    future.set_exception(unanswerable(self._model, how))
                else:
                    future.set_result((text, Outcome(**how)))
        except LilmError as died:
            error = died
        except Refused as refused:
            error = self._error(f"it cannot answer: {refused}")
        with self._lock:
            self._ended, left = True, list(self._asked.values())
            self._asked.clear()
        for future in left:
            future.set_exception(error or self._error("it was closed before its answer"))

    def _error(self, what: str) -> LilmError:
        return LilmError(what, where=str(self._model), remedy="run again")

    def close(self) -> None:
        """End the child process, also in the middle of answers, which then raise LilmError."""
        self._client.stop()
        self._reader.join()
        self._client.close()
