"""The shape of the model that a recipe trains, and how many parameters it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.llama_config import read_llama_config
from lilm.recipe import Recipe

# Known without a hub. The three-trillion-token TinyLlama checkpoints share one config.json.
KNOWN: dict[str, dict[str, Any]] = {
    "TinyLlama/TinyLlama-1.1B": {
        "vocab_size": 32_000,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 22,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "tie_word_embeddings": False,
    }
}
CONFIG = "config.json"


@dataclass(frozen=True)
class Shape:
    """A Llama, in transformers' words; `head_dim` times `heads` need not be `hidden`."""

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool

    @classmethod
    def of(cls, config: Mapping[str, Any], vocab: int | None = None) -> "Shape":
        """From the values of a config.json. vocab: instead of the one that stands there."""
        heads = config["num_attention_heads"]
        return cls(
            vocab=vocab or config["vocab_size"],
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            tied=bool(config.get("tie_word_embeddings", False)),
        )

    def linear(self) -> dict[str, tuple[int, int]]:
        """(inputs, outputs) of each matrix in one layer, by peft's name of it."""
        query, key_value = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (self.hidden, query),
            "k_proj": (self.hidden, key_value),
            "v_proj": (self.hidden, key_value),
            "o_proj": (query, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def body(self) -> int:
        """Weights of all layers' matrices."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linear().values())

    @property
    def head(self) -> int:
        """Weights of the output matrix."""
        return self.vocab * self.hidden

    @property
    def embeddings(self) -> int:
        """Parameters of the input and the output matrix, which may be one."""
        return self.head if self.tied else 2 * self.head

    @property
    def parameters(self) -> int:
        """All of them, norms included."""
        return self.body + self.embeddings + self.hidden * (2 * self.layers + 1)

    def lora(self, rank: int, modules: tuple[str, ...]) -> int:
        """Parameters of adapters of `rank` on `modules` of every layer."""
        linear = self.linear()
        return self.layers * sum(rank * sum(linear[name]) for name in modules if name in linear)


def merged_vocab(base: int, recipe: Recipe) -> int:
    """Size of the base's vocabulary with the recipe's pieces, rounded up as the tokenizer stage does."""
    multiple = recipe.tokenizer.multiple
    return -(-(base + recipe.tokenizer.pieces) // multiple) * multiple


def base_config(recipe: Recipe) -> dict[str, Any]:
    """The base's config.json: from the recipe, from its folder, from its GGUF file (once fetched), from KNOWN, or from
    the hub (a few hundred bytes).

    Raises LilmError when it cannot be had.
    """
    base = recipe.base
    if base.kind == "scratch":
        return {**base.scratch.model_dump(exclude={"optim", "sequence_length"}), "tie_word_embeddings": True}
    if base.kind == "path":
        if not Path(base.path).is_dir():
            raise LilmError("no such folder", where=f"base.path {base.path}", remedy="correct the path in the recipe")
        return read_llama_config(Path(base.path))
    if base.kind == "gguf":
        from lilm.download import cached_path
        from lilm.train.base.from_gguf import gguf_config

        return gguf_config(Path(base.path) if base.path else cached_path(base.url))
    known = next((config for name, config in KNOWN.items() if base.repo.startswith(name)), None)
    if known is not None:
        return known
    from lilm.hub import download_model

    return read_llama_config(download_model(base.repo, base.revision, (CONFIG,)))


def shape_of(recipe: Recipe) -> Shape:
    """Shape of the model with the merged vocabulary. Raises LilmError as `base_config`."""
    config = base_config(recipe)
    return Shape.of(config, merged_vocab(config["vocab_size"], recipe))
