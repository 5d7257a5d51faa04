"""[finetune]: teaching it to chat."""

from typing import Literal

from pydantic import Field

from lilm.recipe.chats import ChatSourceConfig
from lilm.recipe.checks import ChecksConfig
from lilm.recipe.section import Section
from lilm.recipe.training import OptimConfig


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
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    optim: OptimConfig = OptimConfig(steps=200, lr=1e-4)
    checkpoint_every: int = Field(default=100, ge=1)
