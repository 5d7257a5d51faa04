"""The peak that a model really has in a process of its own, to hold the reckoned one against."""

from dataclasses import dataclass
from pathlib import Path

from lilm.errors import LilmError
from lilm.fit.model import read_model
from lilm.fit.native import native_parts
from lilm.fit.parts import context_length
from lilm.llamacpp.client import LlamaClient
from lilm.llamacpp.engine import Engine

N_PREDICT = 4  # tokens after the prompt that fills the context


@dataclass(frozen=True)
class Peak:
    """Bytes. base: what is taken without a model. measured: the peak with it, base and all. reckoned: without base."""

    base: int
    measured: int
    reckoned: int

    @property
    def error(self) -> float:
        """The share by which the reckoned memory is more (or, below 0, less) than what the model really added."""
        added = self.measured - self.base
        return (self.reckoned - added) / added


def native_peak(gguf: Path, n_ctx: int, kv_type: str = "f16", threads: int = 2) -> Peak:
    """Fill the context of `gguf` in a child process and read its peak; the base is that of a child without a model.

    Raises LilmError when llama.cpp cannot load it, and where the system is no Linux.
    """
    model = read_model(gguf)
    full = context_length(model.shape, n_ctx)
    with LlamaClient(gguf) as empty:
        base: int | None = empty.ask("memory")[0]["peak_bytes"]
    with Engine(gguf, n_ctx=full, threads=threads, kv_type=kv_type) as engine:
        engine.speed(full - N_PREDICT, N_PREDICT)
        measured = engine.peak_memory()
    if base is None or measured is None:
        raise LilmError("this system does not say the peak of a process", where="lilm fit", remedy="measure on Linux")
    return Peak(base, measured, native_parts(model, full, kv_type).total)
