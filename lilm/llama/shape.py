"""The shape of a Llama, and how many parameters it has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BLOCKS = {"self_attn": ("q_proj", "k_proj", "v_proj", "o_proj"), "mlp": ("gate_proj", "up_proj", "down_proj")}


@dataclass(frozen=True)
class Shape:
    """`head_dim` times `heads` need not be `hidden`. tied: one matrix is the input and the output. context: the longest
    that it was trained with, tokens. attention_bias, mlp_bias: all matrices of that half of a layer have one."""

    vocab: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    context: int
    attention_bias: bool = False
    mlp_bias: bool = False

    @classmethod
    def of(cls, config: Mapping[str, Any], vocab: int | None = None) -> "Shape":
        """Reads the values of a config.json. vocab: instead of the one that stands there."""
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
            attention_bias=bool(config.get("attention_bias", False)),
            mlp_bias=bool(config.get("mlp_bias", False)),
        )

    @property
    def width(self) -> int:
        """The width of all heads' queries together."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """The width of all heads' keys, or values, together."""
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

    def biased(self, block: str) -> bool:
        """Whether the matrices of BLOCKS[block] have biases."""
        return self.attention_bias if block == "self_attn" else self.mlp_bias

    @property
    def vectors(self) -> int:
        """Parameters of the norms and biases."""
        linear = self.linear()
        biases = sum(linear[name][1] for block, names in BLOCKS.items() if self.biased(block) for name in names)
        return self.hidden * (2 * self.layers + 1) + self.layers * biases

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
        """All of them."""
        return self.body + self.embeddings + self.vectors

    def lora(self, rank: int, modules: tuple[str, ...]) -> int:
        """Parameters of adapters of `rank` on `modules` of every layer."""
        linear = self.linear()
        return self.layers * sum(rank * sum(linear[name]) for name in modules if name in linear)
