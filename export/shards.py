"""One GGUF file as several, as llama.cpp's gguf-split writes them (tools/gguf-split), and back."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import gguf

from lilm.disk import replacing, require_space
from lilm.errors import LilmError
from lilm.gguf_file import MAGIC, GGUFFile, GGUFTensor, open_gguf, open_part
from lilm.gguf_parts import part_name, parts_of
from lilm.gguf_split import ALIGNMENT, KEYS, padded, split_keys

_HEAD = struct.Struct("<4sIQQ")  # magic, version, tensors, keys


@dataclass(frozen=True)
class _Part:
    """keys: of the model, as they stand in its file; empty but in the first part."""

    keys: bytes
    n_keys: int
    tensors: tuple[GGUFTensor, ...]

    @property
    def size(self) -> int:
        """The size of the file, bytes."""
        described = sum(len(_described(tensor, 0)) for tensor in self.tensors)
        head = _HEAD.size + len(self.keys) + len(split_keys(0, 0, 0)) + described
        return padded(head) + sum(padded(tensor.bytes) for tensor in self.tensors)


def split_file(path: Path, most_bytes: int) -> tuple[Path, ...]:
    """Put files of at most `most_bytes` in the place of `path`, where it is larger. Returns the files, in order.

    Each part is whole or not there, and `path` goes when all are. A part with one tensor alone may be larger. As in
    gguf-split's, the model's keys are in the first part, and tensors keep their order; other than there the head counts
    too. The bytes depend on `path` and `most_bytes` only. Raises LilmError when the disk has no room for the parts.
    """
    source = open_gguf(path)
    groups = _groups(source, most_bytes) if path.stat().st_size > most_bytes else []
    if len(groups) < 2:
        return (path,)
    require_space(path.parent, sum(group.size for group in groups), f"splitting {path.name}", "free some space")
    parts = tuple(path.with_name(part_name(path.stem, number, len(groups))) for number in range(1, len(groups) + 1))
    for at, (part, group) in enumerate(zip(parts, groups, strict=True)):
        with replacing(part, sync=True) as unfinished, unfinished.open("wb") as file:
            keys = group.keys + split_keys(at, len(groups), len(source.tensors))
            _write(file, keys, group.n_keys + KEYS, [(source, tensor) for tensor in group.tensors])
    path.unlink()
    return parts


def join_parts(first: Path, target: Path) -> None:
    """Write `target`, the one file that `split_file` split: byte for byte what it was.

    first: any of its parts. Raises LilmError when a part is missing, cut, or another model's, and when the disk has no
    room.
    """
    parts = [open_part(path) for path in parts_of(first)]
    for at, part in enumerate(parts):
        if (part.value("split.no", int), part.value("split.count", int)) != (at, len(parts)):
            raise LilmError(
                f"it does not say that it is part {at + 1} of {len(parts)}",
                where=str(part.path),
                remedy="put all parts of one model into one folder, under the names that they had",
            )
    here, all_tensors = sum(len(part.tensors) for part in parts), parts[0].value("split.tensors.count", int)
    if here != all_tensors:
        what = f"the parts hold {here} tensors and the model has {all_tensors}"
        raise LilmError(what, where=str(first), remedy="put all parts of one model into one folder")
    require_space(target.parent, sum(part.path.stat().st_size for part in parts), "joining", "free some space")
    keys, n_keys = _keys(parts[0])
    split = len(split_keys(0, 0, 0))
    with replacing(target, sync=True) as unfinished, unfinished.open("wb") as file:
        tensors = [(part, tensor) for part in parts for tensor in part.tensors.values()]
        _write(file, keys[:-split], n_keys - KEYS, tensors)


def _groups(source: GGUFFile, most_bytes: int) -> list[_Part]:
    if (source.value("general.alignment", int) or ALIGNMENT) != ALIGNMENT:
        raise RuntimeError(f"{source.path} has an alignment of its own")
    keys, n_keys = _keys(source)
    groups: list[_Part] = []
    waiting = _Part(keys, n_keys, ())
    for tensor in source.tensors.values():
        longer = _Part(waiting.keys, waiting.n_keys, (*waiting.tensors, tensor))
        if longer.size > most_bytes and waiting.tensors:
            groups.append(waiting)
            longer = _Part(b"", 0, (tensor,))
        waiting = longer
    return [*groups, waiting]


def _keys(file: GGUFFile) -> tuple[bytes, int]:
    """The keys as they stand in the file, and how many they are."""
    with file.path.open("rb") as opened:
        _, _, _, count = _HEAD.unpack(opened.read(_HEAD.size))
        return opened.read(file.described_at - _HEAD.size), count


def _described(tensor: GGUFTensor, offset: int) -> bytes:
    name, sides = tensor.name.encode(), tensor.shape[::-1]
    shape = struct.pack(f"<I{len(sides)}Q", len(sides), *sides)
    return struct.pack("<Q", len(name)) + name + shape + struct.pack("<IQ", int(tensor.type), offset)


def _write(file: BinaryIO, keys: bytes, n_keys: int, tensors: Sequence[tuple[GGUFFile, GGUFTensor]]) -> None:
    """A whole GGUF file of these keys and tensors."""
    file.write(_HEAD.pack(MAGIC, gguf.GGUF_VERSION, len(tensors), n_keys) + keys)
    file.writelines(_all_described(tensor for _, tensor in tensors))
    _pad(file)
    for source, tensor in tensors:
        with source.path.open("rb") as data:
            data.seek(tensor.offset)
            _copy(data, file, tensor.bytes)
        _pad(file)


def _all_described(tensors: Iterable[GGUFTensor]) -> Iterable[bytes]:
    offset = 0
    for tensor in tensors:
        yield _described(tensor, offset)
        offset += padded(tensor.bytes)


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count:
        data = source.read(min(count, 1 << 20))
        if not data:
            raise LilmError("it became shorter while it was read", where=str(getattr(source, "name", "")))
        target.write(data)
        count -= len(data)


def _pad(file: BinaryIO) -> None:
    file.write(bytes(padded(file.tell()) - file.tell()))
