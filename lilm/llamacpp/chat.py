"""A chat with a GGUF model that runs in a child process: text comes piece by piece and can be stopped."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psutil

from lilm.closing import Closing
from lilm.errors import LilmError
from lilm.llamacpp.client import LlamaClient, Refused
from lilm.llamacpp.engine import check_gguf
from lilm.recipe import SamplingConfig


class ChatEngine(Closing):
    """A GGUF file open for chatting, on the CPU; one answer at a time. Close it, or use it in a `with`.

    lora: an adapter to load over it, a GGUF file too.
    n_ctx: context in tokens; a model trained on less gets what it was trained on. threads: 0 takes one per core.
    Raises LilmError when the file is missing, is not GGUF, has no chat template or does not load.
    """

    def __init__(self, model: Path, *, n_ctx: int = 4096, threads: int = 0, lora: Path | None = None) -> None:
        for path in (model, lora):
            if path is not None:
                check_gguf(path)
        self.model = model
        self._answering = threading.Lock()
        threads = threads or psutil.cpu_count(logical=False) or 1  # hyperthreads slow llama.cpp down
        files = {"path": str(model), "lora": str(lora) if lora else None}
        opening = {"do": "open_chat", **files, "n_ctx": n_ctx, "threads": threads}
        self._client = LlamaClient(model, opening, where=f"{model} with {lora}" if lora else str(model))
        self.n_ctx: int = self._client.opened["n_ctx"]

    def chat(
        self, messages: Sequence[Mapping[str, str]], sampling: SamplingConfig, *, n_predict: int = 512, seed: int = 0
    ) -> Iterator[str]:
        """Pieces of the answer to `messages` ({role, content}, the last from the user), as they come.

        When the chat does not fit the context, its oldest exchanges are left out. Leaving the iterator early
        stops the model. Raises LilmError when the last message alone does not fit, when the template refuses the chat,
        and when the child died, in whose place the next answer gets a new one.
        """
        asked = {"messages": [dict(message) for message in messages]}
        options = {**sampling.model_dump(), "n_predict": n_predict, "seed": seed}
        with self._answering, closing(self._client.parts("chat", **asked, sampling=options)) as texts:
            try:
                for text in texts:
                    if text:
                        yield text
            except Refused as error:
                remedy = "shorten the message, begin a new chat, or take another file"
                raise LilmError(f"it cannot answer: {error}", where=str(self.model), remedy=remedy) from error

    def stop(self) -> None:
        """End the running answer after its current token; without one nothing happens."""
        self._client.stop()

    def close(self) -> None:
        """End the child process, also in the middle of an answer."""
        self._client.close()
