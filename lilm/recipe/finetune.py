"""[finetune]: teaching it to chat."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from lilm.recipe.chats import ChatSourceConfig
from lilm.recipe.checks import ChecksConfig
from lilm.recipe.section import LicenseName, Section
from lilm.recipe.training import AdapterConfig, DistributedConfig, OptimConfig


class PreferenceConfig(Section):
    """Learning from pairs of answers, after the chats, by Direct Preference Optimization (Rafailov et al. 2023,
    arXiv:2305.18290) or Simple Preference Optimization (Meng et al. 2024, arXiv:2405.14734)."""

    path: str = ""
    """JSONL or one JSON list, with `chosen` and `rejected` answers to a `prompt`, or to `messages`. Empty: none."""
    loss: Literal["dpo", "simpo"] = "dpo"
    """dpo: how much likelier the chosen answer has become than the chats left it, both as a whole. simpo: how much
    likelier it is by token, which is what a model's own answers follow; so it unlearns answers in circles too, each
    round of which is nearly certain."""
    beta: float = Field(default=0.1, gt=0, le=10)
    """dpo: how dear it is to move away from the model that the chats made: higher keeps nearer to it."""
    simpo_beta: float = Field(default=2.0, gt=0, le=100)
    """simpo: how fast a pair that is told apart counts less."""
    simpo_gamma: float = Field(default=0.3, ge=0, le=100)
    """simpo: it does so once its chosen answer is simpo_gamma / simpo_beta nats per token the likelier one."""
    chosen_weight: float = Field(default=0.5, ge=0, le=100)
    """How much the nats per token of the chosen answers count beside (Pang et al. 2024, arXiv:2404.19733). Without
    them, at 0, answers of either kind become less likely, and what is held out with them."""
    most_rise: float = Field(default=0.01, ge=0, le=100)
    """By what part of their bits answers of held-out chats may become dearer. Where they would by more, the weights go
    back towards those before, as far as that takes; part of what was learnt goes with it. Where fewer than 64 chats are
    held out, chats that were learnt before the pairs, and do not begin as these do, make up for them. Of all together,
    and of the held-out ones alone, the mean and its standard error count. 0: whatever it costs."""
    heldout: float = Field(default=0.1, ge=0, le=0.5)
    """Largest share of the pairs that is kept apart to measure with."""
    max_bad: float = Field(default=0.01, ge=0, le=1)
    """Greatest share of the records that may not fit, as of [[finetune.sources]]. They are named, counted and left out.
    0: the first one ends the run."""
    optim: OptimConfig = OptimConfig(steps=200, lr=5e-6, batch_size=8, micro_batch_size=2, weight_decay=0.0)
    license: LicenseName = ""
    """Of the pairs, for the model card."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"license"})


class FinetuneConfig(Section):
    sources: tuple[ChatSourceConfig, ...] = ()
    """[[finetune.sources]]; none: the pretrained model goes on unchanged, with the chat template."""
    checks: ChecksConfig = ChecksConfig()
    template: Literal["auto", "base", "plain"] = "auto"
    """The chat format. base: the base's own, refused where it has none; plain: LiLM's; auto: the base's where it has
    one, else LiLM's."""
    replay: float = Field(default=0.0, ge=0, lt=1)
    """Share of pretraining text, half of it in the base language, mixed in so that it is not forgotten."""
    keep_base_rows: bool = False
    """The rows of the base's pieces in the input and output matrix keep their bits, as in [pretrain]."""
    sequence_length: int = Field(default=512, ge=16, le=1_048_576)
    """Tokens of a training sequence."""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """Autocast type; weights and optimizer state stay float32."""
    method: Literal["full", "lora"] = "full"
    """lora: an adapter, merged into the weights at the end; it wants a rate about ten times as high."""
    lora: AdapterConfig = AdapterConfig()
    optim: OptimConfig = OptimConfig(steps=200, lr=1e-4)
    heldout: float = Field(default=0.02, ge=0, le=0.5)
    """Largest share of each source's chats that is kept apart, to measure bits per byte of their answers. The weights
    of the best measurement are kept; at 0 nothing is measured, and the last ones are."""
    eval_every: int = Field(default=100, ge=1)
    """Steps between measurements."""
    eval_bytes: int = Field(default=100_000, ge=100)
    """UTF-8 bytes of held-out answers for each measurement."""
    patience: int = Field(default=3, ge=0)
    """Training stops after so many measurements without a better one; 0: it never stops early."""
    samples: int = Field(default=3, ge=0, le=1_000)
    """Held-out questions that the model answers before and after, for report.html."""
    sample_tokens: int = Field(default=64, ge=1, le=1_048_576)
    """Such an answer is cut after so many."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints."""
    distributed: DistributedConfig = DistributedConfig()
    preference: PreferenceConfig = PreferenceConfig()

    @model_validator(mode="after")
    def _trains(self) -> "FinetuneConfig":
        if self.preference.path and not self.sources:
            raise ValueError("preference goes on from chats: it needs [[finetune.sources]]")
        return self
