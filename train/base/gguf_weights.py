"""A GGUF file's tensors as model.safetensors, a block of rows at a time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from lilm.gguf_file import GGUFFile, GGUFTensor
from lilm.llama.layout import Entry, permute_rows

BLOCK = 1 << 22  # numbers decoded at once: 16 MB, and a few times that on the way
# What holds the values of a type without rounding. A quantised number is a product (and a sum) of half floats and
# integers: more bits than a half float has.
_DTYPES = {gguf.GGMLQuantizationType.F16: ("F16", 2), gguf.GGMLQuantizationType.BF16: ("BF16", 2)}


def write_safetensors(file: GGUFFile, entries: list[Entry], target: Path, on_tensor: Callable[[], None]) -> None:
    """Write all tensors under Hugging Face's names, in the smallest type that holds them exactly: F16 and BF16 as they
    are, everything else as F32. The bytes depend on the file only; memory holds one block of rows."""
    head: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for entry in entries:
        name, size = dtype(file.tensors[entry.target])
        count = file.tensors[entry.target].parameters * size
        head[entry.source] = {"dtype": name, "shape": list(entry.shape), "data_offsets": [offset, offset + count]}
        offset += count
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with target.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for entry in entries:
            _write_tensor(file, entry, out)
            on_tensor()


def dtype(tensor: GGUFTensor) -> tuple[str, int]:
    """(safetensors' name, bytes) of the type that a tensor is written in."""
    return _DTYPES.get(tensor.type, ("F32", 4))


def bits_per_weight(file: GGUFFile) -> float:
    """Bits of the stored tensors per parameter."""
    tensors = file.tensors.values()
    return sum(tensor.bytes for tensor in tensors) * 8 / sum(tensor.parameters for tensor in tensors)


def _write_tensor(file: GGUFFile, entry: Entry, out: Any) -> None:
    tensor = file.tensors[entry.target]
    rows = file.rows(tensor)
    order = _order(entry, entry.shape[0])
    if len(entry.shape) == 1 and order is not None:  # a bias is one row, whose numbers are reordered
        _, size = dtype(tensor)
        values = rows.view(f"<u{size}") if tensor.type in _DTYPES else gguf.dequantize(rows, tensor.type).astype("<f4")
        out.write(np.ascontiguousarray(values.reshape(-1)[order]).data)
        return
    step = max(1, BLOCK // tensor.shape[-1])
    for begin in range(0, len(rows), step):
        part = rows[begin : begin + step] if order is None else rows[order[begin : begin + step]]
        if tensor.type not in _DTYPES:
            part = gguf.dequantize(part, tensor.type).astype("<f4")
        out.write(np.ascontiguousarray(part).data)


def _order(entry: Entry, rows: int) -> NDArray[np.int64] | None:
    """Which row of the file stands at each place of the tensor; None: the same."""
    if not entry.heads:
        return None
    order: NDArray[np.int64] = permute_rows(np.arange(rows).reshape(-1, 1), entry.heads).reshape(-1).argsort()
    return order
