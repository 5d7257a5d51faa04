"""[wasm]: llama.cpp for the browser."""

from typing import Literal, Self

from pydantic import Field, model_validator

from lilm.recipe.section import Section


class WasmConfig(Section):
    variants: tuple[Literal["threads", "single"], ...] = Field(default=("threads",), min_length=1)
    """threads: pthreads and SIMD, needs cross-origin isolation; single: SIMD on one thread."""
    memory64: bool = False
    """A build with 64-bit memory too, which the page takes for models that 4 GiB do not hold, up to 16 GiB. Needs
    "threads" and a new Emscripten."""
    n_ctx: int = Field(default=2048, ge=64, le=16_777_216)
    """Context that the memory is computed for; llama.cpp rounds it up to a multiple of 256."""
    n_batch: int = Field(default=256, ge=32, le=2048)
    """Prompt tokens evaluated at a time: more takes more memory and answers a stop later."""
    kv_type: Literal["f16", "q8_0"] = "f16"
    """Of the context's keys and values: q8_0 takes half the memory and is slower."""
    max_threads: int = Field(default=8, ge=1, le=64)
    """Threads that the page may use at most; each has its stack in the memory."""
    stack_mb: int = Field(default=2, ge=1, le=64)
    """STACK_SIZE of each thread, MiB; the kernels take an eighth of one."""

    @model_validator(mode="after")
    def _memory64_has_threads(self) -> Self:
        if self.memory64 and "threads" not in self.variants:
            raise ValueError('memory64 needs "threads" in variants')
        return self
