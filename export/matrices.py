"""The matrices of a full GGUF file: which there are, and one after another as numbers."""

import numpy as np

from lilm.export.chunk import Matrix
from lilm.gguf_file import GGUFFile, GGUFTensor


def matrices(source: GGUFFile) -> dict[str, GGUFTensor]:
    """The tensors with rows and columns, by name: those that are quantised."""
    return {name: tensor for name, tensor in source.tensors.items() if len(tensor.shape) == 2}


def read_matrix(source: GGUFFile, tensor: GGUFTensor) -> Matrix:
    """An F16 or F32 matrix as float32 [rows, columns]. Raises ValueError for another type."""
    if tensor.type.name not in ("F16", "F32"):
        raise ValueError(f"{tensor.name} is {tensor.type.name}")
    kind = np.float16 if tensor.type.name == "F16" else np.float32
    numbers: Matrix = source.rows(tensor).view(kind).astype(np.float32)
    return numbers


def input_of(name: str, tied: bool) -> bool:
    """Whether the matrix multiplies inputs, which can be measured: all do, but an embedding that is no output too."""
    return tied or name != "token_embd.weight"
