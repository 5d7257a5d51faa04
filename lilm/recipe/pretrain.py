"""[pretrain]: teaching the base the language."""

from typing import Literal

from pydantic import Field, model_validator

from lilm.recipe.section import Section
from lilm.recipe.training import AdapterConfig, DistributedConfig, NewRowsOptimConfig, OptimConfig


class LoraConfig(AdapterConfig):
    path: str = ""
    """An `adapter` folder of an earlier run to go on from. It must have been made with this vocabulary."""


class PretrainConfig(Section):
    sequence_length: int = Field(default=1024, ge=16, le=1_048_576)
    """Tokens of a training sequence."""
    replay: float = Field(default=0.25, ge=0, lt=1)
    """Share of base-language sequences in stage 2. Stage 1 has none: the rows that learn there do not stand in them."""
    init: Literal["mean", "covariance", "random", "distillation", "frequency"] = "mean"
    """New embedding rows: mean of the piece's old sub-tokens; covariance: near the mean of all rows, as transformers
    does; random: noise (the control); frequency: mean, then as likely as the text has the piece; distillation: mean,
    then learnt so that the model reads the piece as it read the sub-tokens, then as likely as the text has it.
    `lilm tokenizer compare-init` tries each."""
    distillation_steps: int = Field(default=0, ge=0, le=1_000_000)
    """Steps of init = "distillation", of 16 short texts each; 0: one for each 12 new pieces, and 100 or more."""
    bigrams: float = Field(default=0.0, ge=0, le=1)
    """After a new piece this share of the target is what follows that piece in all of the corpus, the rest what follows
    it here; over stage 2 it falls to 0. It helps where the text is far more than the run reads."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Autocast type; weights and optimizer state stay float32."""
    gradient_checkpointing: bool = False
    """Keeps less for the backward pass and computes it again: about a third slower, far less memory."""
    compile: bool | Literal["auto"] = "auto"
    """torch.compile, which takes a minute or two at the start. auto: on a GPU; on a CPU for models of 50M parameters or
    more, where there is a C++ compiler."""
    stage1: NewRowsOptimConfig = NewRowsOptimConfig(steps=100, lr=2e-3)
    """New rows only; the base does not move."""
    method: Literal["full", "lora"] = "full"
    """Of stage 2: full: all weights learn; lora: an adapter learns, and is merged at the end."""
    stage2: OptimConfig = OptimConfig(steps=1000, lr=2e-4)
    keep_base_rows: bool = False
    """In stage 2 the base's own rows of the embedding and the output matrix keep their bits, and only new ones learn
    beside the layers. Else every row that a text does not need is pushed down a little in each step, and AdamW makes
    that as large as what is learnt: English suffers, and needs more replay."""
    keep_layers: int = Field(default=0, ge=0, le=1_000)
    """In stage 2 so many of the first layers keep their bits. In small Llamas the first one enlarges what it reads many
    times over (SmolLM2's: 3 to 50), so that steps of the size that the others need break it."""
    embedding_lr_scale: float = Field(default=1.0, gt=0, le=100)
    """Rate of the embedding and the output matrix in stage 2, as a part of the layers'; `lora` has its own."""
    lora: LoraConfig = LoraConfig()
    eval_every: int = Field(default=100, ge=1)
    """Steps between measurements of bits per byte."""
    eval_bytes: int = Field(default=100_000, ge=100)
    """UTF-8 bytes of held-out text per language for each measurement."""
    samples: int = Field(default=1, ge=0, le=1_000)
    """Held-out texts per language whose beginnings the model continues at each measurement."""
    sample_tokens: int = Field(default=32, ge=1, le=1_048_576)
    """Tokens of each continuation."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints: so much is lost at most when it is stopped."""
    distributed: DistributedConfig = DistributedConfig()

    @model_validator(mode="after")
    def _goes_on(self) -> "PretrainConfig":
        if self.lora.path and (self.method != "lora" or self.stage1.steps):
            raise ValueError('lora.path goes on from an adapter: it needs method = "lora" and stage1.steps = 0')
        return self

    def replay_in(self, stage: int) -> float:
        """`replay` of stage 1 or 2."""
        return 0.0 if stage == 1 else self.replay

    def kept_rows(self, stage: int, base_rows: int) -> int:
        """How many rows of the embedding and the output matrix keep their bits in stage 1 or 2: all of the base's
        `base_rows`, or none."""
        return base_rows if stage == 1 or self.keep_base_rows else 0

    def kept_layers(self, stage: int) -> int:
        """How many of the first layers keep their bits in stage 1 or 2; in stage 1 no layer learns anyway."""
        return 0 if stage == 1 else self.keep_layers

    def vocabulary_lr_scale(self, stage: int) -> float:
        """The rate of the embedding and the output matrix in stage 1 or 2, as a part of the rest's."""
        if stage == 1:
            return 1.0
        return self.lora.embedding_lr_scale if self.method == "lora" else self.embedding_lr_scale
