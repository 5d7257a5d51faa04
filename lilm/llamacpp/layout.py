"""Which tensor of a Hugging Face Llama is which in GGUF, and how its rows are ordered there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import gguf

from lilm.llama_config import read_llama_config
from lilm.llamacpp.rope import rope_factors


@dataclass(frozen=True)
class LlamaShape:
    """The figures of a Llama, named as in config.json; tied: `tie_word_embeddings`. rope_factors: see
    lilm.llamacpp.rope."""

    num_hidden_layers: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    tied: bool
    rope_factors: tuple[float, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One tensor: its names and its shape [rows, columns] or [columns] (the same in both).

    heads: number of heads whose rows are reordered; 0: none.
    """

    source: str
    target: str
    shape: tuple[int, ...]
    heads: int = 0


def read_shape(folder: Path) -> LlamaShape:
    """Returns the shape that the folder's config.json tells. Raises LilmError when it is not a Llama that GGUF's
    `llama` describes in full."""
    return shape_of(read_llama_config(folder))


def shape_of(config: Mapping[str, Any]) -> LlamaShape:
    """Returns the shape of a config that `read_llama_config` gave."""
    figures = {field.name: config[field.name] for field in fields(LlamaShape) if field.name in config}
    factors = rope_factors(config["rope_parameters"], config["head_dim"])
    return LlamaShape(**figures, tied=config["tie_word_embeddings"], rope_factors=factors)


def layout(config: LlamaShape) -> Iterator[Entry]:
    """All tensors of the model in the order of the GGUF file. With tied embeddings there is no `output.weight`:
    llama.cpp then takes `token_embd.weight`."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)

    def entry(source: str, *shape: int, heads: int = 0) -> Entry:
        target = names.get_name(source, try_suffixes=(".weight",))
        if target is None:
            raise RuntimeError(f"gguf has no name for {source}")
        return Entry(source, target, shape, heads)

    hidden, inner = config.hidden_size, config.intermediate_size
    queries, keys = config.num_attention_heads, config.num_key_value_heads
    yield entry("model.embed_tokens.weight", config.vocab_size, hidden)
    for i in range(config.num_hidden_layers):
        layer = f"model.layers.{i}"
        yield entry(f"{layer}.input_layernorm.weight", hidden)
        yield entry(f"{layer}.self_attn.q_proj.weight", queries * config.head_dim, hidden, heads=queries)
        yield entry(f"{layer}.self_attn.k_proj.weight", keys * config.head_dim, hidden, heads=keys)
        yield entry(f"{layer}.self_attn.v_proj.weight", keys * config.head_dim, hidden)
        yield entry(f"{layer}.self_attn.o_proj.weight", hidden, queries * config.head_dim)
        yield entry(f"{layer}.post_attention_layernorm.weight", hidden)
        yield entry(f"{layer}.mlp.gate_proj.weight", inner, hidden)
        yield entry(f"{layer}.mlp.up_proj.weight", inner, hidden)
        yield entry(f"{layer}.mlp.down_proj.weight", hidden, inner)
    yield entry("model.norm.weight", hidden)
    if not config.tied:
        yield entry("lm_head.weight", config.vocab_size, hidden)


def permute_rows(weight: Any, heads: int) -> Any:
    """Q or K rows from the halves of Hugging Face's rotary embedding to the pairs of llama.cpp's.

    weight: [heads * head_dim, hidden], of torch or numpy; within a head row i of the first half and of the second
    become 2i, 2i + 1 (llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute).
    """
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
