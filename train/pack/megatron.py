"""Megatron's indexed dataset (MMapIndexedDataset): <prefix>.bin holds the tokens, <prefix>.idx where each lies.

Index, little-endian: magic `MMIDIDX\\0\\0`, version 1 (uint64), type code (uint8), sequences (uint64),
document indices (uint64), tokens of each sequence (int32), byte offset of each (int64), document indices (int64).
"""

import struct
from pathlib import Path
from typing import Any

import numpy as np

from lilm.errors import LilmError

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
CODES: dict[str, int] = {"int32": 4, "uint16": 8}
UINT16_PIECES = 65_500  # Megatron's limit: below it a vocabulary is stored in two bytes
_COUNTS = struct.Struct("<QBQQ")

Array = np.ndarray[tuple[int], np.dtype[Any]]


def token_dtype(pieces: int) -> str:
    """Name of the numpy type for ids of a vocabulary with that many pieces."""
    return "uint16" if pieces < UINT16_PIECES else "int32"


def token_bytes(pieces: int) -> int:
    """Bytes of an id on the disk."""
    return np.dtype(token_dtype(pieces)).itemsize


class ShardWriter:
    """Writes one .bin/.idx pair; the index last, so that a shard without it is not whole."""

    def __init__(self, prefix: Path, dtype: str) -> None:
        self.prefix, self._dtype = prefix, np.dtype(dtype).newbyteorder("<")
        self._lengths: list[int] = []
        index_file(prefix).unlink(missing_ok=True)
        self._file = data_file(prefix).open("wb")

    def add(self, tokens: list[int]) -> None:
        """Append one document."""
        self._file.write(np.asarray(tokens, dtype=self._dtype).tobytes())
        self._lengths.append(len(tokens))

    def close(self) -> None:
        self._file.close()
        lengths = np.asarray(self._lengths, dtype="<i4")
        ends = np.cumsum(lengths, dtype=np.int64) * self._dtype.itemsize
        offsets = np.concatenate([[0], ends[:-1]]).astype("<i8")
        documents = np.arange(len(lengths) + 1, dtype="<i8")
        with index_file(self.prefix).open("wb") as file:
            file.write(MAGIC)
            file.write(_COUNTS.pack(VERSION, CODES[self._dtype.name], len(lengths), len(documents)))
            for array in (lengths, offsets, documents):
                file.write(array.tobytes())


def data_file(prefix: Path) -> Path:
    return prefix.with_name(prefix.name + ".bin")


def index_file(prefix: Path) -> Path:
    return prefix.with_name(prefix.name + ".idx")


def open_shard(prefix: Path) -> tuple[Array, Array]:
    """(tokens, memory-mapped; tokens of each document as int64). Raises LilmError when the pair is not whole."""
    path = index_file(prefix)
    try:
        raw = path.read_bytes()
        size = data_file(prefix).stat().st_size
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from error
    head = len(MAGIC) + _COUNTS.size
    if raw[: len(MAGIC)] != MAGIC or len(raw) < head:
        raise _broken(path, "no Megatron index")
    version, code, sequences, documents = _COUNTS.unpack_from(raw, len(MAGIC))
    names = {number: name for name, number in CODES.items()}
    if version != VERSION or code not in names:
        raise _broken(path, f"version {version}, type code {code}; known: 1, {sorted(names)}")
    if len(raw) != head + sequences * 12 + documents * 8:
        raise _broken(path, "cut short")
    lengths = np.frombuffer(raw, dtype="<i4", count=sequences, offset=head).astype(np.int64)
    dtype = np.dtype(names[code]).newbyteorder("<")
    if size != int(lengths.sum()) * dtype.itemsize:
        raise _broken(data_file(prefix), f"{size} bytes, its index says {int(lengths.sum()) * dtype.itemsize}")
    if size == 0:
        return np.empty(0, dtype=dtype), lengths
    return np.memmap(data_file(prefix), dtype=dtype, mode="r"), lengths


def _broken(path: Path, why: str) -> LilmError:
    return LilmError(f"broken token store ({why})", where=str(path), remedy="run the pack stage again with --force")
