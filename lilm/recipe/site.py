"""[site]: the page."""

from pydantic import Field

from lilm.recipe.export import FileType
from lilm.recipe.section import Section


class SamplingConfig(Section):
    """How text is drawn, the same in the terminal, Gradio and the browser; llama.cpp's names and values."""

    temperature: float = Field(default=0.8, ge=0, le=1_000)
    """0 takes the likeliest token each time."""
    top_k: int = Field(default=40, ge=0, le=1_000_000)
    """Draw from so many of the likeliest tokens; 0: from all."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Draw from the likeliest tokens that have this share together."""
    min_p: float = Field(default=0.05, ge=0, le=1)
    """Leave out tokens less likely than this part of the likeliest one."""
    repeat_penalty: float = Field(default=1.1, gt=0, le=1_000)
    """transformers' default (1.0) repeats itself a lot in small models."""
    repeat_last_n: int = Field(default=64, ge=0, le=1_048_576)
    """Tokens back that repeat_penalty looks."""


class SiteConfig(Section):
    title: str = "LiLM"
    """Of the page."""
    quants: tuple[FileType, ...] = Field(default=("Q4_K_M",), min_length=1)
    """Which of the exported files the page offers; the first is the default. mix: the one of export.target_mb,
    bits_per_weight or device. A name with -learned: the one of [[export.learned]]."""
    adapter: bool = False
    """With export.adapter: the page loads the adapter and puts it over its base in each of `quants`, in place of the
    files that hold both."""
    prompts: tuple[str, ...] = ()
    """Suggestions under an empty chat."""
    n_predict: int = Field(default=256, ge=16, le=1024)
    """Longest answer in tokens, until the user chooses another."""
    sampling: SamplingConfig = SamplingConfig()
