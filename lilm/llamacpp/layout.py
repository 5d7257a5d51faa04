"""Which tensor of a Hugging Face Llama is which in GGUF, and how its rows are ordered there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch
from transformers import LlamaConfig

from lilm.errors import LilmError
from lilm.llamacpp.rope import rope_factors

REMEDY = "LiLM exports LlamaForCausalLM with SiLU, no biases and the rotary embeddings of Llama or Llama 3.1"


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
    """The folder's config.json. Raises LilmError when it is not a Llama that GGUF's `llama` describes in full."""
    path = folder / "config.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LilmError("no such file", where=str(path), remedy="this is not a Hugging Face model folder") from error
    except ValueError as error:
        raise LilmError(f"not JSON ({error})", where=str(path), remedy="write the folder again") from error
    if data.get("model_type") != "llama":
        raise LilmError(f"model_type is {data.get('model_type')!r}", where=str(path), remedy=REMEDY)
    config = LlamaConfig.from_dict(data)
    rope: dict[str, Any] = dict(config.rope_parameters or {})
    found: dict[str, Any] = {
        "hidden_act": (config.hidden_act, "silu"),
        "attention_bias": (config.attention_bias, False),
        "mlp_bias": (config.mlp_bias, False),
    }
    for key, (value, wanted) in found.items():
        if value != wanted:
            raise LilmError(f"{key} is {value!r}", where=str(path), remedy=REMEDY)
    if rope.get("rope_type") not in ("default", "llama3"):
        raise LilmError(f"rope_type is {rope.get('rope_type')!r}", where=str(path), remedy=REMEDY)
    heads = config.num_attention_heads
    head_dim = config.head_dim or config.hidden_size // heads
    return LlamaShape(
        num_hidden_layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_attention_heads=heads,
        num_key_value_heads=config.num_key_value_heads or heads,
        head_dim=head_dim,
        vocab_size=config.vocab_size,
        max_position_embeddings=config.max_position_embeddings,
        rms_norm_eps=config.rms_norm_eps,
        rope_theta=float(rope["rope_theta"]),
        tied=config.tie_word_embeddings,
        rope_factors=rope_factors(rope, head_dim),
    )


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


def permute_rows(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Q or K rows from the halves of Hugging Face's rotary embedding to the pairs of llama.cpp's.

    weight: [heads * head_dim, hidden]; within a head row i of the first half and of the second become 2i, 2i + 1
    (llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute).
    """
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
