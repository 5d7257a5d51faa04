"""[export], [bench], [wasm], [site]: from a model to a page."""

from typing import Literal, Self

from pydantic import Field, model_validator

from lilm.recipe.section import Section

QuantType = Literal["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_NL"]


class SamplingConfig(Section):
    """How text is drawn, the same in the terminal, Gradio and the browser; llama.cpp's names and values."""

    temperature: float = Field(default=0.8, ge=0, le=1_000)
    top_k: int = Field(default=40, ge=0, le=1_000_000)
    top_p: float = Field(default=0.95, gt=0, le=1)
    min_p: float = Field(default=0.05, ge=0, le=1)
    repeat_penalty: float = Field(default=1.1, gt=0, le=1_000)
    """transformers' default (1.0) repeats itself a lot in small models."""
    repeat_last_n: int = Field(default=64, ge=0, le=1_048_576)


class ExportConfig(Section):
    quants: tuple[QuantType, ...] = Field(default=("Q8_0", "Q6_K", "Q4_K_M", "Q4_0"), min_length=1)


class BenchConfig(Section):
    eval_tokens: int = Field(default=10_000, ge=100)
    """Held-out tokens per language on which each file is measured."""
    n_ctx: int = Field(default=256, ge=16, le=1_048_576)
    """Window of the measurement."""
    prompts: tuple[str, ...] = ()
    """What each file is asked to go on with, greedily."""
    chats: tuple[str, ...] = ()
    """What each file is asked as a user of the chat, greedily."""
    n_predict: int = Field(default=48, ge=1, le=1_048_576)


class WasmConfig(Section):
    variants: tuple[Literal["threads", "single"], ...] = Field(default=("threads",), min_length=1)
    """threads: pthreads and SIMD, needs cross-origin isolation; single: SIMD on one thread."""
    memory64: bool = False
    """A build with 64-bit memory too, which the page takes for models that 4 GiB do not hold, up to 16 GiB. Needs
    "threads" and a new Emscripten."""
    n_ctx: int = Field(default=2048, ge=64, le=1_048_576)
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


class SiteConfig(Section):
    title: str = "LiLM"
    quants: tuple[QuantType, ...] = Field(default=("Q4_K_M",), min_length=1)
    """Which of the exported files the page offers; the first is the default."""
    prompts: tuple[str, ...] = ()
    """Suggestions under an empty chat."""
    n_predict: int = Field(default=256, ge=16, le=1024)
    """Longest answer in tokens, until the user chooses another."""
    sampling: SamplingConfig = SamplingConfig()
