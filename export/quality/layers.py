"""Which types a file's matrices have, by kind of matrix and layer."""

from collections.abc import Iterable
from typing import Any

from lilm.gguf_file import GGUFTensor

BLOCK = "blk."  # before a layer's number


def types_by_layer(tensors: Iterable[GGUFTensor]) -> dict[str, dict[str, Any]]:
    """Returns, by kind ("attn_q", "token_embd", …), {"types", "bits": per weight, of each layer in turn or of the one
    matrix that there is, "parameters": of all}. Vectors are left out."""
    found: dict[str, dict[str, Any]] = {}
    for tensor in sorted(tensors, key=lambda one: (_layer(one.name), one.name)):
        if len(tensor.shape) != 2:
            continue
        kind = tensor.name.removesuffix(".weight").rpartition(".")[2]
        row = found.setdefault(kind, {"types": [], "bits": [], "parameters": 0})
        row["types"].append(tensor.type.name)
        row["bits"].append(round(tensor.bytes * 8 / tensor.parameters, 4))
        row["parameters"] += tensor.parameters
    return found


def _layer(name: str) -> int:
    return int(name.split(".")[1]) if name.startswith(BLOCK) else -1
