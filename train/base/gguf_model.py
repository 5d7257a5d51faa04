"""The shape of a Llama as its GGUF file tells it, and the file's tensors checked against it."""

from typing import Any

import numpy as np

from lilm.errors import LilmError
from lilm.gguf_file import FETCH, GGUFFile
from lilm.llama.config import LARGEST, MOST_LAYERS, MOST_POSITIONS
from lilm.llama.layout import Entry, layout
from lilm.llama.rope import TENSOR as ROPE_TENSOR
from lilm.llama.shape import Shape
from lilm.train.base.gguf_rope import ANOTHER, read_rope, short_float

ATTENTION, MLP = ("attn_q", "attn_k", "attn_v", "attn_output"), ("ffn_gate", "ffn_up", "ffn_down")


def check_architecture(file: GGUFFile) -> None:
    """Raises LilmError when the file holds no Llama."""
    found = file.value("general.architecture", str)
    if found != "llama":
        raise LilmError(
            f"its architecture is {found!r}", where=str(file.path), remedy="use a model of architecture llama"
        )
    if not file.values("tokenizer.ggml.tokens", str):
        raise LilmError("it has no vocabulary", where=str(file.path), remedy="use a GGUF of a whole model")


def read_figures(file: GGUFFile) -> dict[str, Any]:
    """What a config.json says of the shape and the arithmetic. Raises LilmError for what Hugging Face's Llama cannot
    be."""
    check_architecture(file)
    hidden = _number(file, "embedding_length")
    heads = _number(file, "attention.head_count", largest=hidden)
    head_dim = _number(file, "attention.key_length", hidden // heads)
    kept = {
        "attention.value_length": head_dim,
        "rope.dimension_count": head_dim,
        "expert_count": 0,
        "attention.causal": True,
    }
    for key, wanted in kept.items():
        found = file.keys.get(f"llama.{key}", wanted)
        if found != wanted:
            raise LilmError(f"llama.{key} is {found}, not {wanted}", where=str(file.path), remedy=ANOTHER)
    context = _number(file, "context_length", largest=MOST_POSITIONS)
    theta = file.value("llama.rope.freq_base", float, 10_000.0) or 0.0
    if theta < 1:
        raise LilmError(f"llama.rope.freq_base is {theta}, not at least 1", where=str(file.path), remedy=FETCH)
    epsilon = file.value("llama.attention.layer_norm_rms_epsilon", float)
    if epsilon is None or not 0 <= epsilon < 1:
        what = f"llama.attention.layer_norm_rms_epsilon is {epsilon}, not from 0 to 1"
        raise LilmError(what, where=str(file.path), remedy=FETCH)
    embedding = file.tensors.get("token_embd.weight")
    if embedding is None:
        raise LilmError("no tensor token_embd.weight", where=str(file.path), remedy="use a GGUF of a whole model")
    pieces = len(file.keys["tokenizer.ggml.tokens"])
    if embedding.shape[0] != pieces:
        raise LilmError(
            f"the vocabulary has {pieces} pieces, the embedding {embedding.shape[0]} rows: they do not belong together",
            where=str(file.path),
            remedy="fetch or convert the model again",
        )
    return {
        "hidden_size": hidden,
        "intermediate_size": _number(file, "feed_forward_length"),
        "num_hidden_layers": _number(file, "block_count", largest=MOST_LAYERS),
        "num_attention_heads": heads,
        "num_key_value_heads": _number(file, "attention.head_count_kv", heads),
        "head_dim": head_dim,
        "max_position_embeddings": context,
        "rms_norm_eps": short_float(epsilon),
        "rope_parameters": read_rope(file, theta, head_dim, context),
        "rope_theta": theta,  # for readers older than rope_parameters
        "attention_bias": _has_bias(file, ATTENTION),
        "mlp_bias": _has_bias(file, MLP),
        "tie_word_embeddings": "output.weight" not in file.tensors,
        "vocab_size": pieces,
    }


def entries(file: GGUFFile, shape: Shape) -> list[Entry]:
    """The model's tensors. Raises LilmError when one is missing, has another shape or a type that cannot be decoded, or
    when the file has one more."""
    found = list(layout(shape))
    for entry in found:
        tensor = file.tensors.get(entry.target)
        if tensor is None:
            raise LilmError(
                f"no tensor {entry.target}",
                where=str(file.path),
                remedy=ANOTHER if entry.target.endswith(".bias") else "fetch or convert the model again",
            )
        if tensor.shape != entry.shape:
            raise LilmError(
                f"{entry.target} has shape {list(tensor.shape)}, its keys want {list(entry.shape)}",
                where=str(file.path),
                remedy="fetch or convert the model again",
            )
        if not can_decode(tensor.type):
            raise LilmError(
                f"{entry.target} is stored as {tensor.type.name}, which cannot be decoded",
                where=str(file.path),
                remedy="use a file of another type, best F16 or BF16",
            )
    for name in file.tensors.keys() - {entry.target for entry in found} - {ROPE_TENSOR}:
        raise LilmError(f"tensor {name} has no place in a Llama", where=str(file.path), remedy=ANOTHER)
    return found


def can_decode(kind: Any) -> bool:
    """Whether the `gguf` package turns this type into numbers."""
    import gguf

    try:
        gguf.dequantize(np.zeros(gguf.GGML_QUANT_SIZES[kind][1], np.uint8), kind)
    except NotImplementedError:
        return False
    return True


def _number(file: GGUFFile, key: str, otherwise: int | None = None, largest: int = LARGEST) -> int:
    name = f"llama.{key}"
    if isinstance(file.keys.get(name), list):
        raise LilmError(f"{name} differs from layer to layer", where=str(file.path), remedy=ANOTHER)
    found = file.value(name, int, otherwise)
    if found is None:
        raise LilmError(f"no key {name}", where=str(file.path), remedy="fetch or convert the model again")
    if not 1 <= found <= largest:
        what = f"{name} is {found}, not a number from 1 to {largest:,}"
        raise LilmError(what, where=str(file.path), remedy=FETCH)
    return found


def _has_bias(file: GGUFFile, matrices: tuple[str, ...]) -> bool:
    """Whether one of the first layer's matrices has a bias: in Hugging Face's Llama all of them have, or none."""
    return any(f"blk.0.{name}.bias" in file.tensors for name in matrices)
