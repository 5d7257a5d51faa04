"""[finetune]: teaching it to chat."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from lilm.recipe.section import LicenseName, Section
from lilm.recipe.training import OptimConfig


class ChatSourceConfig(Section):
    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    format: Literal["chats", "messages", "utterances", "sharegpt", "hub"]
    """chats: made by LiLM; messages: entries with [{role, content}]; utterances: with [{name, text}]; sharegpt: with
    conversations of {from, value}; hub: a dataset with messages. A file is JSONL or one JSON list; an entry may have
    Alpaca's keys instead, and a `system` text. Chats in which no assistant answers are left out and counted."""
    path: str = ""
    repo: str = ""
    field: str = "messages"
    split: str = "train"
    limit: int = Field(default=0, ge=0)
    license: LicenseName = ""
    """Of the chats, for the model card."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"license"})

    @model_validator(mode="after")
    def _needs(self) -> "ChatSourceConfig":
        needed = {"hub": "repo", "chats": "limit"}.get(self.format, "path")
        if not getattr(self, needed):
            raise ValueError(f"format {self.format!r} needs the key {needed!r}")
        return self


class FinetuneConfig(Section):
    sources: tuple[ChatSourceConfig, ...] = ()
    """[[finetune.sources]]; none: the pretrained model goes on unchanged, with the chat template."""
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
