"""Quantised copies of a GGUF file by llama.cpp, and the proof that they hold the types they are named for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import gguf

from lilm.disk import replacing
from lilm.export.gguf_info import TensorInfo, read_tensors
from lilm.llamacpp.engine import quantize
from lilm.recipe import QuantType

SUPER_BLOCK = 256  # K-quants: a row is a multiple of it, else llama.cpp takes another type


@dataclass(frozen=True)
class Quant:
    """llama.cpp's recipe of one file type.

    ftype: its `llama_ftype`. base: type of the matrices. raised: those that (in some layers) get more bits, by role;
    `output` is the output matrix, or the embedding when both are one (llama-quant.cpp, llama_tensor_get_type_impl).
    """

    ftype: int
    base: str
    raised: dict[str, str] = field(default_factory=dict)


_MEDIUM = {"output": "Q6_K", "attn_v": "Q6_K", "ffn_down": "Q6_K"}
QUANTS: dict[QuantType, Quant] = {
    "Q8_0": Quant(7, "Q8_0"),
    "Q6_K": Quant(18, "Q6_K"),
    "Q5_K_M": Quant(17, "Q5_K", _MEDIUM),
    "Q4_K_M": Quant(15, "Q4_K", _MEDIUM),
    "Q4_0": Quant(2, "Q4_0", {"output": "Q6_K"}),
    "IQ4_NL": Quant(25, "IQ4_NL", {"output": "Q6_K", "attn_v": "Q5_K", "ffn_down": "Q5_K"}),
}


def quantise(source: Path, target: Path, quant: QuantType, threads: int, on_tensor: Callable[[int, int], None]) -> str:
    """Write `target`, a quantised copy of the F16 file `source`. Returns a note for the reader, empty when the file
    is what its name says.

    Raises LilmError with llama.cpp's message; RuntimeError when a matrix has a type nobody asked for.
    """
    with replacing(target, sync=True) as part:
        quantize(source, part, QUANTS[quant].ftype, threads=threads, on_progress=on_tensor)
        return verify_types(read_tensors(part), quant)


def block_size(name: str) -> int:
    """Weights that one block of a GGML type holds."""
    return int(gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][0])


def wanted_types(tensor: TensorInfo, quant: QuantType, tied: bool) -> set[str]:
    """The types that `quant` asks for in this tensor, its shape allowing."""
    recipe = QUANTS[quant]
    if tensor.dimensions < 2:
        return {"F32"}
    role = tensor.name.removesuffix(".weight").split(".")[-1]
    if role == "output" or (tied and role == "token_embd"):
        return {recipe.raised.get("output", recipe.base)}
    return {recipe.base} | ({recipe.raised[role]} if role in recipe.raised else set())


def verify_types(tensors: list[TensorInfo], quant: QuantType) -> str:
    """Compare each tensor's type with what was asked for.

    Returns the note about matrices whose shape forbids it. Raises RuntimeError for any other difference.
    """
    tied = all(tensor.name != "output.weight" for tensor in tensors)
    other: list[TensorInfo] = []
    for tensor in tensors:
        wanted = wanted_types(tensor, quant, tied)
        if tensor.type in wanted:
            continue
        if all(tensor.columns % block_size(name) == 0 for name in wanted):
            raise RuntimeError(f"{quant}: {tensor.name} was written as {tensor.type}, wanted {' or '.join(wanted)}")
        other.append(tensor)
    if not other:
        return ""
    matrices = sum(tensor.dimensions > 1 for tensor in tensors)
    types = ", ".join(sorted({tensor.type for tensor in other}))
    rows = ", ".join(str(columns) for columns in sorted({tensor.columns for tensor in other}))
    return (
        f"not a true {quant}: its blocks do not divide the rows ({rows} numbers) of {len(other)} of {matrices} "
        f"matrices, which llama.cpp wrote as {types}"
    )
