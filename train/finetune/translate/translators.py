"""Who translates: what is asked and answered, whoever it is, and a GGUF model on this machine."""

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from lilm.gguf_parts import parts_of
from lilm.llamacpp.answers import Order
from lilm.llamacpp.chat import Unanswerable
from lilm.llamacpp.pool import PARALLEL, ChatPool
from lilm.pipeline.hashing import sha256_file
from lilm.recipe import SamplingConfig

TEMPERATURES = (0.0, 0.3, 0.6)  # of each try of a text


@dataclass(frozen=True)
class Request:
    """attempt: from 0; the next has another temperature and seed, as the same would bring the same."""

    prompt: str
    n_predict: int
    attempt: int = 0

    @property
    def temperature(self) -> float:
        return TEMPERATURES[min(self.attempt, len(TEMPERATURES) - 1)]

    def key(self, translator: dict[str, Any]) -> dict[str, Any]:
        """All that the answer depends on."""
        return {"translator": translator, **asdict(self), "temperature": self.temperature}


@dataclass(frozen=True)
class Reply:
    """finish: "refused" where the translator does not take the text; `text` then says why."""

    text: str
    finish: Literal["stop", "length", "refused"] = "stop"


class Translator(Protocol):
    """name: for people. parallel: so many requests at once are good for it."""

    name: str
    parallel: int

    @property
    def identity(self) -> dict[str, Any]:
        """Which model it is, in JSON, once it is open."""

    async def open(self) -> None:
        """Raises LilmError when it is not there."""

    async def write(self, request: Request) -> Reply:
        """Raises LilmError when there is no use in asking on."""

    async def close(self) -> None: ...


class GgufTranslator:
    """A GGUF file with a chat template, in a child process that writes `parallel` answers at once. Raises LilmError as
    ChatPool."""

    def __init__(self, model: Path, n_ctx: int = 4096, threads: int = 0, parallel: int = PARALLEL) -> None:
        self.name, self.parallel = model.name, parallel
        self._pool = ChatPool(model, n_ctx=n_ctx, threads=threads, parallel=parallel)
        hashes = {path.name: sha256_file(path) for path in parts_of(model)}
        # how many are written at once is no part of it: it rounds logits otherwise, and answers stay good
        self.identity: dict[str, Any] = {"gguf": hashes, "n_ctx": self._pool.n_ctx}

    async def open(self) -> None:
        pass  # the child is there since the beginning

    async def write(self, request: Request) -> Reply:
        sampling = SamplingConfig(temperature=request.temperature, repeat_penalty=1.0).model_dump()
        order = Order(sampling, request.n_predict, seed=request.attempt, slide=False, fresh=True)
        try:
            text, outcome = await asyncio.wrap_future(
                self._pool.write([{"role": "user", "content": request.prompt}], order)
            )
        except Unanswerable as error:
            return Reply(error.what, "refused")
        return Reply(text, "stop" if outcome.finish == "stop" else "length")

    async def close(self) -> None:
        self._pool.close()
