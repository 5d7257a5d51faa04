"""What is really in a GGUF file: its tensors, their types and bits."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.gguf_file import open_part
from lilm.pipeline.artifact import how_to_replace


@dataclass(frozen=True)
class TensorInfo:
    """columns: length of a row, what quantisation blocks must divide. bytes: as stored."""

    name: str
    type: str
    columns: int
    dimensions: int
    parameters: int
    bytes: int


def read_tensors(path: Path) -> list[TensorInfo]:
    """Returns all tensors in the file's order. Raises LilmError when it is not a whole GGUF file.

    The reader is ours: gguf.GGUFReader believes each count in a damaged head, and fills the memory.
    """
    try:
        file = open_part(path)
    except LilmError as error:
        raise LilmError(error.what, where=str(path), remedy=how_to_replace(path)) from error
    return [
        TensorInfo(one.name, one.type.name, one.shape[-1], len(one.shape), one.parameters, one.bytes)
        for one in file.tensors.values()
    ]


def bits_per_weight(size: int, tensors: list[TensorInfo]) -> float:
    """Bits of the whole file of `size` bytes, vocabulary and all, per parameter."""
    return round(size * 8 / sum(tensor.parameters for tensor in tensors), 4)


def by_type(tensors: list[TensorInfo]) -> dict[str, dict[str, Any]]:
    """Per type: the number of tensors, their parameters and bits per weight; the most used type first."""
    groups: dict[str, list[TensorInfo]] = defaultdict(list)
    for tensor in tensors:
        groups[tensor.type].append(tensor)
    sizes = {name: sum(tensor.parameters for tensor in group) for name, group in groups.items()}
    return {
        name: {
            "tensors": len(groups[name]),
            "parameters": sizes[name],
            "bits_per_weight": round(sum(tensor.bytes for tensor in groups[name]) * 8 / sizes[name], 4),
        }
        for name in sorted(groups, key=lambda name: (-sizes[name], name))
    }
