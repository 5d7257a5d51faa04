"""[export]: GGUF files."""

from typing import Literal

from pydantic import Field, model_validator

from lilm.recipe.section import Section
from lilm.recipe.training import OptimConfig

QuantType = Literal["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_NL"]
LearnedType = Literal[
    "Q8_0-learned", "Q6_K-learned", "Q5_K_M-learned", "Q4_K_M-learned", "Q4_0-learned", "IQ4_NL-learned"
]
FileType = Literal[QuantType, LearnedType]


class LearnedConfig(OptimConfig):
    """A file whose blocks are learnt: of the same types and size as llama.cpp's, but nearer to the F16 file, by KL
    divergence on training text of both languages."""

    quant: QuantType
    """Which; `quants` must have it too. The file is named after it: model-Q4_0-learned.gguf."""
    codes: bool = True
    """Whether the code of each weight is learnt. False: only the scales are, which is faster and gains less."""
    steps: int = Field(default=400, ge=1, le=100_000_000)
    lr: float = Field(default=5e-3, gt=0, le=1)
    """Of the weights that are rounded to codes, in steps from one code to the next."""
    scale_lr: float = Field(default=1e-3, gt=0, le=1)
    """Of scales, norms and biases, as a part of what each was."""
    batch_size: int = Field(default=4, ge=1, le=1_000_000)
    """Sequences per optimizer step."""
    sequence_length: int = Field(default=256, ge=16, le=1_048_576)
    replay: float = Field(default=0.5, ge=0, lt=1)
    """Of the text, the share of base-language sequences."""
    chats: float = Field(default=0.2, ge=0, lt=1)
    """Share of sequences that are chats, where the model was fine-tuned on some."""
    weight_decay: float = Field(default=0.0, ge=0, le=0)
    """Stays 0: it would draw the weights to code 0."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Autocast type; what is learnt stays float32."""
    eval_every: int = Field(default=100, ge=1)
    """Steps between measurements on text kept apart."""
    checkpoint_every: int = Field(default=100, ge=1)


class ExportConfig(Section):
    quants: tuple[QuantType, ...] = Field(default=("Q8_0", "Q6_K", "Q4_K_M", "Q4_0"), min_length=1)
    learned: tuple[LearnedConfig, ...] = ()
    """[[export.learned]]: files whose blocks are learnt, beside llama.cpp's own."""

    @model_validator(mode="after")
    def _begins_with_a_file(self) -> "ExportConfig":
        names = [one.quant for one in self.learned]
        if len(set(names)) < len(names):
            raise ValueError(f"export.learned: a type stands twice in {names}")
        if missing := sorted(set(names) - set(self.quants)):
            raise ValueError(f"export.learned begins with llama.cpp's {missing}, which export.quants does not make")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """Names of all quantised files: types, and those that are learnt."""
        return (*self.quants, *(f"{one.quant}-learned" for one in self.learned))
