"""A copy of a GGUF file whose tensors have other types. Its size is known to the byte before it is written."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import gguf
import numpy as np

from lilm.disk import replacing
from lilm.export.block_types import block_type
from lilm.export.chunk import Blocks
from lilm.gguf_file import GGUFFile, GGUFTensor

FILE_TYPE = "general.file_type"
# The file type that llama.cpp's loader would guess from the commonest tensor type (llama-model-loader.cpp), where it is
# not MOSTLY_ and the type's name.
_FILE_TYPES = {"F32": "ALL_F32"} | {f"Q{bits}_K": f"MOSTLY_Q{bits}_K_M" for bits in (3, 4, 5)}


def tensor_bytes(tensor: GGUFTensor, name: str | None) -> int:
    """Returns the size of the tensor as the type `name`; None: as it is."""
    if name is None:
        return tensor.bytes
    return block_type(name).matrix_bytes(tensor.parameters // tensor.shape[-1], tensor.shape[-1])


def stored_bytes(tensor: GGUFTensor, name: str | None, alignment: int = gguf.GGUF_DEFAULT_ALIGNMENT) -> int:
    """The same with the padding after it."""
    return -(-tensor_bytes(tensor, name) // alignment) * alignment


def retyped_bytes(source: GGUFFile, types: Mapping[str, str]) -> int:
    """Size of the file that `write_retyped` makes."""
    alignment = _alignment(source)
    sizes = (stored_bytes(tensor, types.get(name), alignment) for name, tensor in source.tensors.items())
    return _data_at(source) + sum(sizes)


def write_retyped(
    source: GGUFFile, target: Path, types: Mapping[str, str], blocks: Callable[[GGUFTensor, str], Blocks]
) -> int:
    """Write `target`: the keys of `source`, its tensors named in `types` as blocks(tensor, type), the others as they
    are. Returns its size.

    The file's own type becomes that of most of its weights. Raises RuntimeError when blocks have another size than
    their type says, or `source` does not tell its file type in the usual way.
    """
    names = {name: types.get(name, tensor.type.name) for name, tensor in source.tensors.items()}
    alignment, start = _alignment(source), _data_at(source)
    with replacing(target, sync=True) as part:
        with part.open("wb") as file:
            file.write(_keys(source, _file_type(source, names)))
            file.write(_descriptions(source, names, alignment))
            file.write(bytes(start - file.tell()))
            for name, tensor in source.tensors.items():
                data = blocks(tensor, types[name]) if name in types else source.rows(tensor)
                expected = tensor_bytes(tensor, types.get(name))
                if data.nbytes != expected:
                    raise RuntimeError(f"{name} has {data.nbytes} bytes as {names[name]}, expected {expected}")
                file.write(np.ascontiguousarray(data).data)
                file.write(bytes(stored_bytes(tensor, types.get(name), alignment) - expected))
        written, foretold = part.stat().st_size, retyped_bytes(source, types)
        if written != foretold:
            raise RuntimeError(f"{target.name} has {written} bytes, {foretold} were foretold")
    return written


def _alignment(source: GGUFFile) -> int:
    return source.value("general.alignment", int) or gguf.GGUF_DEFAULT_ALIGNMENT


def _data_at(source: GGUFFile) -> int:
    """Where the first tensor begins, in both files: the types' numbers are of one length."""
    return min(tensor.offset for tensor in source.tensors.values())


def _keys(source: GGUFFile, file_type: int) -> bytes:
    """The file up to the tensors' descriptions, with another file type."""
    with source.path.open("rb") as file:
        head = file.read(source.described_at)
    key = struct.pack("<Q", len(FILE_TYPE)) + FILE_TYPE.encode() + struct.pack("<I", int(gguf.GGUFValueType.UINT32))
    if head.count(key) != 1:
        raise RuntimeError(f"{source.path}: {FILE_TYPE} stands there {head.count(key)} times")
    at = head.index(key) + len(key)
    return head[:at] + struct.pack("<I", file_type) + head[at + 4 :]


def _descriptions(source: GGUFFile, names: Mapping[str, str], alignment: int) -> bytes:
    parts, offset = [], 0
    for name, tensor in source.tensors.items():
        text, sides = name.encode(), tensor.shape[::-1]
        number = int(gguf.GGMLQuantizationType[names[name]])
        parts.append(struct.pack("<Q", len(text)) + text + struct.pack("<I", len(sides)))
        parts.append(struct.pack(f"<{len(sides)}QIQ", *sides, number, offset))
        offset += stored_bytes(tensor, names[name], alignment)
    return b"".join(parts)


def _file_type(source: GGUFFile, names: Mapping[str, str]) -> int:
    weights: dict[str, int] = {}
    for name, tensor in source.tensors.items():
        weights[names[name]] = weights.get(names[name], 0) + tensor.parameters
    commonest = max(weights, key=lambda name: (weights[name], name))
    return int(gguf.LlamaFileType[_FILE_TYPES.get(commonest, f"MOSTLY_{commonest}")])
