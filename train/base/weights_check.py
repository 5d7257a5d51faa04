"""Whether a folder's tensors are those of the Llama that its config.json tells: no more, no fewer, and numbers."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.llama.config import AGAIN
from lilm.llama.layout import layout
from lilm.llama.shape import Shape
from lilm.llama.weights import INDEX, SINGLE, Weights

FLOATS = ("F16", "BF16", "F32", "F64")
HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
LARGEST = 65_504  # of a half float
BUFFER = "rotary_emb.inv_freq"  # of old checkpoints; its value follows from the config


def open_weights(folder: Path, framework: Any) -> Weights:
    """Returns the folder's weights. Raises LilmError when there are none that can be read."""
    if not (folder / SINGLE).is_file() and not (folder / INDEX).is_file():
        raise LilmError(
            f"no {SINGLE} and no {INDEX}",
            where=str(folder),
            remedy="fetch the model again, whole, or convert its weights to safetensors; pickles are not read",
        )
    return Weights(folder, framework, AGAIN)


def check_headers(folder: Path, config: Mapping[str, Any]) -> list[Path]:
    """Returns the files that hold the weights. Raises LilmError naming the first tensor that is missing, that a Llama
    of this config does not have, or that has another shape or type."""
    entries = {entry.source: entry.shape for entry in layout(replace(Shape.of(config), tied=False))}
    needed = entries.keys() - ({HEAD} if config["tie_word_embeddings"] else set())
    with open_weights(folder, "np") as weights:
        names = [name for name in weights.names if not name.endswith(BUFFER)]
        for name in entries:  # in the model's order
            if name in needed and name not in names:
                raise LilmError(f"tensor {name} is missing", where=str(folder), remedy="fetch the model again, whole")
        for name in names:
            where = str(weights.path(name))
            if weights.dtype(name) not in FLOATS:
                raise LilmError(
                    f"{name} is stored as {weights.dtype(name)}, not as a float: the weights are quantised",
                    where=where,
                    remedy="use the model's unquantised weights",
                )
            if name not in entries:
                raise LilmError(
                    f"tensor {name} has no place in the Llama of config.json",
                    where=where,
                    remedy="use a LlamaForCausalLM without adapters, with its own config.json",
                )
            if weights.shape(name) != entries[name]:
                raise LilmError(
                    f"{name} has shape {list(weights.shape(name))}, config.json wants {list(entries[name])}",
                    where=where,
                    remedy="put the model's own config.json beside it",
                )
        return weights.files


def is_tied(folder: Path, config: Mapping[str, Any]) -> bool:
    """Returns whether one matrix is the input and the output, whatever config.json says, having read all weights.

    Raises LilmError naming a tensor that is not finite, or that no half float of a GGUF holds: training and export
    would blame the learning rate for it.
    """
    import torch

    with open_weights(folder, "pt") as weights:
        for name in weights.names:
            if not bool((weights.tensor(name).abs() <= LARGEST).all()):  # nothing that is not a number is
                raise LilmError(
                    f"{name} has values that are infinite, not a number or beyond {LARGEST}: the base itself is broken",
                    where=str(weights.path(name)),
                    remedy=AGAIN,
                )
        if HEAD not in weights.names:
            return True
        if not config["tie_word_embeddings"]:
            return False
        embedding = weights.tensor(EMBEDDING)
        return torch.equal(weights.tensor(HEAD).to(embedding.dtype), embedding)
