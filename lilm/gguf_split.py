"""What llama.cpp's gguf-split adds to the parts of a model, and how large the model is without it."""

import struct
from pathlib import Path

import gguf

from lilm.gguf_file import open_part
from lilm.gguf_parts import parts_of

ALIGNMENT = int(gguf.GGUF_DEFAULT_ALIGNMENT)
KEYS = 3  # that each part has besides the model's


def split_keys(number: int, count: int, tensors: int) -> bytes:
    """gguf-split's keys, in its order. number: of the part, from 0. tensors: of the whole model."""
    values = (
        ("split.no", gguf.GGUFValueType.UINT16, "<H", number),
        ("split.tensors.count", gguf.GGUFValueType.INT32, "<i", tensors),
        ("split.count", gguf.GGUFValueType.UINT16, "<H", count),
    )
    return b"".join(
        struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", int(kind)) + struct.pack(form, value)
        for name, kind, form, value in values
    )


def padded(size: int) -> int:
    """`size` bytes with the padding that follows them in a GGUF file."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def whole_bytes(path: Path) -> int:
    """Size of the file at `path`; of a model in parts, of the one file that they make: what the browser's runtime
    reads."""
    paths = parts_of(path)
    if len(paths) == 1:
        return path.stat().st_size
    parts = [open_part(one) for one in paths]
    described = sum(
        16 + len(name.encode()) + 8 + 8 * len(one.shape) for part in parts for name, one in part.tensors.items()
    )
    size = padded(parts[0].described_at - len(split_keys(0, 0, 0)) + described)
    for part in parts:
        begin = min((tensor.offset for tensor in part.tensors.values()), default=part.path.stat().st_size)
        size = padded(size) + part.path.stat().st_size - begin
    return size
