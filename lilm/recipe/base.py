"""[base]: the English Llama to begin with."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from lilm.recipe.section import LicenseName, Section
from lilm.recipe.training import DistributedConfig, OptimConfig


class ScratchConfig(Section):
    """Shape and training of a small English Llama, for when there is none at hand."""

    vocab_size: int = Field(default=1024, ge=320, le=1_000_000)
    """Pieces of its vocabulary."""
    hidden_size: int = Field(default=256, ge=32, le=65_536)
    """Width of the model."""
    intermediate_size: int = Field(default=768, ge=32, le=1_048_576)
    """Width inside the MLP."""
    num_hidden_layers: int = Field(default=4, ge=1, le=1_000)
    """Layers."""
    num_attention_heads: int = Field(default=4, ge=1, le=4_096)
    """Heads of the queries."""
    num_key_value_heads: int = Field(default=2, ge=1, le=4_096)
    """Heads of the keys and values, which groups of queries share."""
    max_position_embeddings: int = Field(default=512, ge=64, le=1_048_576)
    """Longest context, tokens."""
    sequence_length: int = Field(default=256, ge=16, le=1_048_576)
    """Tokens of a training sequence."""
    optim: OptimConfig = OptimConfig(steps=300, lr=3e-3)
    distributed: DistributedConfig = DistributedConfig()

    @model_validator(mode="after")
    def _has_heads(self) -> "ScratchConfig":
        heads, groups = self.num_attention_heads, self.num_key_value_heads
        if self.hidden_size % (2 * heads):
            raise ValueError(
                f"hidden_size {self.hidden_size} gives no even head size with num_attention_heads {heads}: it must be "
                f"a multiple of {2 * heads}"
            )
        if heads % groups:
            raise ValueError(f"num_attention_heads {heads} is no multiple of num_key_value_heads {groups}")
        return self


class BaseConfig(Section):
    kind: Literal["scratch", "path", "hub", "gguf"]
    """hub: a model of the Hugging Face hub; path: a folder; gguf: a GGUF file; scratch: one that is trained here."""
    path: str = ""
    """kind path: a folder with config.json, *.safetensors and tokenizer.model, or instead of that a byte-level BPE
    tokenizer.json and its tokenizer_config.json; relative to the recipe. kind gguf: a GGUF file."""
    url: str = Field(default="", pattern=r"^(https://.+)?$")
    """kind gguf: where the file is fetched from (https), instead of path; kept in the cache."""
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """kind gguf: what the file must be; empty: any."""
    repo: str = ""
    """kind hub: the model's id."""
    revision: str = "main"
    """kind hub: a commit is best; it makes the run reproducible."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Autocast type of the scratch training."""
    scratch: ScratchConfig = ScratchConfig()
    license: LicenseName = ""
    """Its licence, for the model card, where the base itself does not say (its README.md, a GGUF's general.license)."""

    unhashed: ClassVar[frozenset[str]] = frozenset({"license"})

    @model_validator(mode="after")
    def _needs(self) -> "BaseConfig":
        needed = {"path": "path", "hub": "repo"}.get(self.kind)
        if needed and not getattr(self, needed):
            raise ValueError(f"kind {self.kind!r} needs the key {needed!r}")
        if self.kind == "gguf" and bool(self.path) == bool(self.url):
            raise ValueError("kind 'gguf' needs one of the keys 'path' and 'url'")
        return self
