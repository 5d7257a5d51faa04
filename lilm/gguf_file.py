"""The head of a GGUF file, every length checked: its keys, its tensors, and where their bytes are.

`gguf.GGUFReader` makes numpy views of each piece of a vocabulary and trusts the file: 3 s and 130 MB for 49,152 pieces,
and an error of numpy's for a file that is cut.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import gguf
import numpy as np
from numpy.typing import NDArray

from lilm.errors import LilmError
from lilm.gguf_parts import is_part

MAGIC = b"GGUF"
VERSIONS = (2, 3)
FETCH = "fetch the file again, whole"
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4
_KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_SHOWN = 60  # characters of what was found
Value = TypeVar("Value", bool, int, float, str)


@dataclass(frozen=True)
class GGUFTensor:
    """shape: as numpy has it, a row last. offset, bytes: of its data in the file."""

    name: str
    type: gguf.GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    bytes: int

    @property
    def parameters(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class GGUFFile:
    """An opened GGUF. keys: by their whole names. tensors: by name, in the file's order. described_at: where in the
    file the description of its tensors begins, after the keys."""

    path: Path
    keys: dict[str, Any]
    tensors: dict[str, GGUFTensor]
    described_at: int

    def value(self, key: str, kind: type[Value], otherwise: Value | None = None) -> Value | None:
        """The value of a key; `otherwise` where there is none. Raises LilmError for one of another type, for a number
        that is none, and for text that is not UTF-8."""
        found = self.keys.get(key)
        return otherwise if found is None else self._typed(key, found, kind)

    def values(self, key: str, kind: type[Value]) -> list[Value] | None:
        """The list of a key; None where there is none. Raises LilmError as `value`, and for what is no list."""
        found = self.keys.get(key)
        if found is not None and not isinstance(found, list):
            raise self._odd(key, found, "a list")
        return None if found is None else [self._typed(f"{key}[]", one, kind) for one in found]

    def _typed(self, key: str, found: Any, kind: type[Value]) -> Value:
        if kind is bool and isinstance(found, int):
            found = bool(found)
        if kind is float and isinstance(found, int) and not isinstance(found, bool):
            found = float(found)
        if not isinstance(found, kind) or (kind is not bool and isinstance(found, bool)):
            raise self._odd(key, found, _KINDS[kind])
        if isinstance(found, float) and not math.isfinite(found):
            raise self._odd(key, found, "a number")
        if isinstance(found, str) and _is_broken(found):
            raise self._odd(key, found, "UTF-8")
        return found

    def _odd(self, key: str, found: Any, wanted: str) -> LilmError:
        shown = repr(found)[:_SHOWN]
        return LilmError(f"{key} is {shown}, not {wanted}", where=str(self.path), remedy=FETCH)

    def rows(self, tensor: GGUFTensor) -> NDArray[np.uint8]:
        """The tensor's rows as stored, [rows, bytes of a row], read when they are looked at."""
        columns = tensor.bytes // max(1, tensor.parameters // tensor.shape[-1])
        return np.memmap(self.path, np.uint8, "r", tensor.offset, (tensor.bytes // columns, columns))


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


class _Cut(Exception):
    """The file ends in the middle."""


class _Head:
    """Reads values one after another from the file's bytes."""

    def __init__(self, data: memoryview) -> None:
        self._data, self.at = data, 0

    def take(self, count: int) -> memoryview:
        end = self.at + count
        if end > len(self._data):
            raise _Cut
        part = self._data[self.at : end]
        self.at = end
        return part

    def scalar(self, kind: str) -> Any:
        return struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0]

    def text(self) -> str:
        # not every vocabulary is UTF-8: what is not survives as surrogates
        return bytes(self.take(self.scalar("Q"))).decode("utf-8", errors="surrogateescape")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            inner, count = self.scalar("I"), self.scalar("Q")
            if inner in _SCALARS:
                item = np.dtype("<" + {"?": "b"}.get(_SCALARS[inner], _SCALARS[inner]))
                return np.frombuffer(self.take(count * item.itemsize), item).tolist()
            return [self.value(inner) for _ in range(count)]
        if kind not in _SCALARS:
            raise ValueError(f"a value of unknown type {kind}")
        return self.scalar(_SCALARS[kind])


def open_gguf(path: Path) -> GGUFFile:
    """The file at `path`. Raises LilmError when it is missing, no GGUF, split in parts, cut or corrupt."""
    _check_magic(path)
    if is_part(path):
        raise _split(path)
    opened = open_part(path)
    if (opened.value("split.count", int) or 1) > 1:
        raise _split(path)
    return opened


def open_part(path: Path) -> GGUFFile:
    """Opens a file as `open_gguf` does, but it may be one part of a model."""
    _check_magic(path)
    try:
        keys, tensors, described_at = _read(memoryview(np.memmap(path, np.uint8, "r")))  # type: ignore[arg-type]
    except _Cut as error:
        raise LilmError("truncated GGUF: it ends in its head", where=str(path), remedy=FETCH) from error
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise LilmError(f"corrupt GGUF ({error})", where=str(path), remedy=FETCH) from error
    size = path.stat().st_size
    end = max((tensor.offset + tensor.bytes for tensor in tensors.values()), default=0)
    if end > size:
        raise LilmError(f"truncated GGUF: {size:,} of {end:,} bytes are there", where=str(path), remedy=FETCH)
    return GGUFFile(path, keys, tensors, described_at)


def _check_magic(path: Path) -> None:
    if not path.is_file():
        raise LilmError("no such file", where=str(path), remedy="give the path of a GGUF file")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic != MAGIC:
        raise LilmError(f"not a GGUF file (begins with {magic!r})", where=str(path), remedy="give a GGUF file")


def _split(path: Path) -> LilmError:
    return LilmError(
        "one part of a GGUF that was split",
        where=str(path),
        remedy="join the parts (llama-gguf-split --merge FIRST-PART WHOLE.gguf) or fetch a file that is one",
    )


def _read(data: memoryview) -> tuple[dict[str, Any], dict[str, GGUFTensor], int]:
    head = _Head(data)
    head.take(len(MAGIC))
    version = head.scalar("I")
    if version not in VERSIONS:
        raise ValueError(f"version {version}; readable are {', '.join(map(str, VERSIONS))}, little-endian")
    n_tensors, n_keys = head.scalar("Q"), head.scalar("Q")
    keys: dict[str, Any] = {}
    for _ in range(n_keys):
        name = head.text()
        keys[name] = head.value(head.scalar("I"))
    described_at = head.at
    entries = [_entry(head) for _ in range(n_tensors)]
    alignment = keys.get("general.alignment", gguf.GGUF_DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0:
        raise ValueError(f"an alignment of {str(alignment)[:_SHOWN]}")
    start = -(-head.at // alignment) * alignment
    tensors: dict[str, GGUFTensor] = {}
    for name, shape, kind, offset in entries:
        block, size = gguf.GGML_QUANT_SIZES[kind]
        if shape[-1] % block or min(shape) < 1:
            raise ValueError(f"{name} is {kind.name}, whose blocks of {block} do not fit its shape {list(shape)}")
        if name in tensors:
            raise ValueError(f"two tensors are called {name}")
        count = 1
        for dimension in shape:
            count *= dimension
        tensors[name] = GGUFTensor(name, kind, shape, start + offset, count // block * size)
    return keys, tensors, described_at


def _entry(head: _Head) -> tuple[str, tuple[int, ...], gguf.GGMLQuantizationType, int]:
    name, n_dimensions = head.text(), head.scalar("I")
    if not 1 <= n_dimensions <= _MOST_DIMENSIONS:
        raise ValueError(f"{name} has {n_dimensions} dimensions")
    shape = tuple(reversed([head.scalar("Q") for _ in range(n_dimensions)]))
    kind = gguf.GGMLQuantizationType(head.scalar("I"))  # its ValueError names the number
    return name, shape, kind, head.scalar("Q")
