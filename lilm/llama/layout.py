"""Which tensor of a Hugging Face Llama is which in GGUF, and how its rows are ordered there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gguf

from lilm.llama.shape import BLOCKS, Shape


@dataclass(frozen=True)
class Entry:
    """One tensor: its names and its shape [rows, columns] or [columns] (the same in both).

    heads: number of heads whose rows are reordered; 0: none.
    """

    source: str
    target: str
    shape: tuple[int, ...]
    heads: int = 0


def layout(shape: Shape) -> Iterator[Entry]:
    """All tensors of the model in the order of the GGUF file. With tied embeddings there is no `output.weight`:
    llama.cpp then takes `token_embd.weight`."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, shape.layers)

    def entry(source: str, *sides: int, heads: int = 0) -> Entry:
        target = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise RuntimeError(f"gguf has no name for {source}")
        return Entry(source, target, sides, heads)

    matrices, turned = shape.linear(), {"q_proj": shape.heads, "k_proj": shape.kv_heads}

    def part(layer: str, block: str) -> Iterator[Entry]:
        for name in BLOCKS[block]:
            inputs, outputs = matrices[name]
            yield entry(f"{layer}.{block}.{name}.weight", outputs, inputs, heads=turned.get(name, 0))
            if shape.biased(block):
                yield entry(f"{layer}.{block}.{name}.bias", outputs, heads=turned.get(name, 0))

    yield entry("model.embed_tokens.weight", shape.vocab, shape.hidden)
    for i in range(shape.layers):
        layer = f"model.layers.{i}"
        yield entry(f"{layer}.input_layernorm.weight", shape.hidden)
        yield from part(layer, "self_attn")
        yield entry(f"{layer}.post_attention_layernorm.weight", shape.hidden)
        yield from part(layer, "mlp")
    yield entry("model.norm.weight", shape.hidden)
    if not shape.tied:
        yield entry("lm_head.weight", shape.vocab, shape.hidden)


def permute_rows(weight: Any, heads: int) -> Any:
    """Q or K rows from the halves of Hugging Face's rotary embedding to the pairs of llama.cpp's.

    weight: [heads * head_dim, hidden], or a bias [heads * head_dim], of torch or numpy; within a head row i of the
    first half and of the second become 2i, 2i + 1 (llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute).
    """
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def restore_rows(weight: Any, heads: int) -> Any:
    """The inverse of `permute_rows`: llama.cpp's order back to Hugging Face's."""
    shape = weight.shape
    return weight.reshape(heads, shape[0] // heads // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
