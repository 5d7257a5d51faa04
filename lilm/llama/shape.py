"""The shape of a Llama, and how many parameters it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """`head_dim` times `heads` need not be `hidden`. tied: one matrix is the input and the output. context: the longest
    that it was trained with, tokens."""

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    context: int

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
            context=config["max_position_embeddings"],
        )

    @property
    def width(self) -> int:
        """Of all heads' queries together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Of all heads' keys, or values, together."""
        return self.kv_heads * self.head_dim

    def linear(self) -> dict[str, tuple[int, int]]:
        """(inputs, outputs) of each matrix in one layer, by peft's name of it."""
        return {
            "q_proj": (self.hidden, self.width),
            "k_proj": (self.hidden, self.kv_width),
            "v_proj": (self.hidden, self.kv_width),
            "o_proj": (self.width, self.hidden),
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
