"""A GGUF model that writes in a child process: text comes piece by piece and can be stopped."""

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from lilm.closing import Closing
from lilm.errors import LilmError
from lilm.llamacpp.answers import Answer, Order, Outcome
from lilm.llamacpp.client import LlamaClient, Refused
from lilm.llamacpp.engine import check_adapter, check_gguf
from lilm.llamacpp.sliding import LETTERS, could_fit, newest
from lilm.recipe import SamplingConfig


class Unanswerable(LilmError):
    """The model cannot write what was asked for: it is too long, or the template or the schema does not allow it."""


def unanswerable(model: Path, why: str) -> Unanswerable:
    """Why `model` cannot write what was asked for."""
    remedy = "shorten the message, begin a new chat, or take another file"
    return Unanswerable(f"it cannot answer: {why}", where=str(model), remedy=remedy)


def too_long(n_ctx: int) -> str:
    """What is said of what surely does not fit."""
    return f"it is too long for the model's context of {n_ctx} tokens"


def open_to_write(
    model: Path, n_ctx: int, threads: int, lora: Path | None = None, template: bool = True, parallel: int = 1
) -> LlamaClient:
    """A child that has the file open, to write `parallel` texts at once. The rest, and errors, as of ChatEngine."""
    for path in (model, lora):
        if path is not None:
            check_gguf(path)
    if lora is not None:
        check_adapter(lora, model)
    threads = threads or psutil.cpu_count(logical=False) or 1  # hyperthreads slow llama.cpp down
    opening = {
        "do": "open_chat",
        "path": str(model),
        "lora": str(lora) if lora else None,
        "n_ctx": n_ctx,
        "threads": threads,
        "template": template,
        "parallel": parallel,
    }
    return LlamaClient(model, opening, where=f"{model} with {lora}" if lora else str(model))


class ChatEngine(Closing):
    """A GGUF file open for chatting, on the CPU; one answer at a time. Close it, or use it in a `with`.

    lora: an adapter to load over it, a GGUF file too. template: it must have one for chats, as this is found now.
    n_ctx: context in tokens; a model trained on less gets what it was trained on. threads: 0 takes one per core.
    Raises LilmError when the file is missing, is not GGUF, has no chat template or does not load.
    """

    def __init__(
        self, model: Path, *, n_ctx: int = 4096, threads: int = 0, lora: Path | None = None, template: bool = True
    ) -> None:
        self.model = model
        self._answering = threading.Lock()
        self._running, self._changing = object(), threading.Lock()  # which answer is written now
        self._client = open_to_write(model, n_ctx, threads, lora, template)
        self.n_ctx: int = self._client.opened["n_ctx"]

    def chat(
        self, messages: Sequence[Mapping[str, str]], sampling: SamplingConfig, *, n_predict: int = 512, seed: int = 0
    ) -> Answer:
        """As `write`, for a chat whose oldest exchanges are left out when it does not fit the context."""
        return self.write(messages, Order(sampling.model_dump(), n_predict, seed))

    def write(self, asked: str | Sequence[Mapping[str, str]], order: Order) -> Answer:
        """Pieces of the answer to messages ({role, content}, the last from the user), of how the last one goes on where
        that is an answer, or of what comes after a text, as they come. What is asked is text throughout: no control
        token is looked for in it.

        Leaving it early stops the model. Its iterator raises Unanswerable when what is asked does not fit, or the
        template or llama.cpp refuses it, and LilmError when the child died, in whose place the next answer gets a new
        one.
        """
        mine = object()

        def stop() -> None:
            with self._changing:  # the next one's request does not come before this, which would be about that
                if self._running is mine:
                    self._client.stop()

        return Answer(self._pieces(asked, order, mine), stop)

    @contextmanager
    def _as_running(self, mine: object) -> Iterator[None]:
        with self._answering:
            with self._changing:
                self._running = mine
            try:
                yield
            finally:
                with self._changing:
                    self._running = object()

    def _pieces(
        self, asked: str | Sequence[Mapping[str, str]], order: Order, mine: object
    ) -> Generator[str, None, Outcome]:
        with self._as_running(mine):
            left_out = 0
            if isinstance(asked, str):
                what: dict[str, object] = {"text": asked}
                fits = len(asked) <= LETTERS * self.n_ctx
            else:
                messages = [dict(message) for message in asked]
                fits = could_fit(messages, self.n_ctx)
                if not fits and order.slide:
                    kept = newest(messages, lambda some: could_fit(some, self.n_ctx))
                    fits, left_out = kept is not None, len(messages) - len(kept or messages)
                    messages = list(kept or messages)
                what = {"messages": messages}
            if not fits:
                raise unanswerable(self.model, too_long(self.n_ctx))
            do = "complete" if isinstance(asked, str) else "chat"
            with closing(self._client.parts(do, **what, order=vars(order))) as texts:
                try:
                    head, _ = yield from texts
                except Refused as error:
                    if hasattr(error, "__notes__"):  # nobody foresaw it
                        what_failed, where = f"it cannot answer: {error}", str(self.model)
                        raise LilmError(what_failed, where=where, remedy="ask something else") from error
                    raise unanswerable(self.model, str(error)) from error
            outcome = Outcome(**head["outcome"])
            return replace(outcome, left_out=outcome.left_out + left_out)

    @property
    def resident(self) -> int | None:
        """Bytes that the child has in memory now, the file's mapped pages and all; None where that is not known."""
        try:
            found: int = psutil.Process(self._client.pid).memory_info().rss if self._client.pid else 0
        except psutil.Error:  # it ended meanwhile
            found = 0
        return found or None

    def stop(self) -> None:
        """End the running answer after its current token; without one nothing happens."""
        self._client.stop()

    def close(self) -> None:
        """End the child process, also in the middle of an answer."""
        self._client.close()
