"""llama.cpp's imatrix file (tools/imatrix/imatrix.cpp, save_imatrix): a GGUF file that llama-quantize reads."""

from collections import defaultdict
from contextlib import closing
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from lilm.disk import replacing
from lilm.errors import LilmError
from lilm.export.imatrix.importance import Importance
from lilm.gguf_file import FETCH, GGUFFile, open_gguf

DATASETS, CHUNKS, CHUNK_SIZE = "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"
SUMS, COUNTS = ".in_sum2", ".counts"
_LESS = (".in_sum",)  # means, which no quantiser reads


class _Writer(gguf.GGUFWriter):
    def add_architecture(self) -> None:
        """An imatrix has none."""


def write_imatrix(path: Path, importance: Importance) -> None:
    """Write `importance` to `path`. The same importance gives the same bytes: tensors are in the order of their names,
    as llama-imatrix writes them."""
    with replacing(path, sync=True) as part, closing(_Writer(part, "")) as writer:
        writer.add_type(gguf.GGUFType.IMATRIX)
        writer.add_array(DATASETS, list(importance.datasets))
        writer.add_uint32(CHUNKS, importance.chunks)
        writer.add_uint32(CHUNK_SIZE, importance.chunk_size)
        for name in sorted(importance.sums):
            writer.add_tensor(name + SUMS, importance.sums[name].astype(np.float32).reshape(1, -1))
            writer.add_tensor(name + COUNTS, np.array([[importance.counts[name]]], np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()


def read_imatrix(path: Path) -> Importance:
    """Returns the importance in a GGUF file that LiLM or llama-imatrix wrote.

    Raises LilmError when the file is none, when a tensor has no counts, and when it has several, which are of the
    experts of another kind of model.
    """
    file = open_gguf(path)
    if file.value("general.type", str) != gguf.GGUFType.IMATRIX:
        what = f"no importance matrix (its general.type is {file.value('general.type', str)!r})"
        raise LilmError(what, where=str(path), remedy="give a file of llama-imatrix, in its GGUF format")
    found: dict[str, dict[str, NDArray[np.float32]]] = defaultdict(dict)
    for name in file.tensors:
        suffix = next((one for one in (SUMS, COUNTS, *_LESS) if name.endswith(one)), None)
        if suffix is None:
            raise LilmError(f"tensor {name} has no place in an imatrix", where=str(path), remedy=FETCH)
        found[name.removesuffix(suffix)][suffix] = _numbers(file, name)
    for name, parts in found.items():
        if SUMS not in parts or COUNTS not in parts:
            raise LilmError(f"{name} has only {' and '.join(parts)}", where=str(path), remedy=FETCH)
        if parts[COUNTS].size != 1:
            what = f"{name} has {parts[COUNTS].size} experts, and a Llama none"
            raise LilmError(what, where=str(path), remedy="use the importance matrix of this very model")
    return Importance(
        sums={name: parts[SUMS].astype(np.float64) for name, parts in found.items()},
        counts={name: _count(parts[COUNTS], name, path) for name, parts in found.items()},
        datasets=tuple(file.values(DATASETS, str) or ()),
        chunks=file.value(CHUNKS, int) or 0,
        chunk_size=file.value(CHUNK_SIZE, int) or 0,
    )


def _numbers(file: GGUFFile, name: str) -> NDArray[np.float32]:
    tensor = file.tensors[name]
    if tensor.type is not gguf.GGMLQuantizationType.F32:
        raise LilmError(f"{name} is {tensor.type.name}, not F32", where=str(file.path), remedy=FETCH)
    numbers: NDArray[np.float32] = file.rows(tensor).view(np.float32).reshape(-1)
    return numbers


def _count(counts: NDArray[np.float32], name: str, path: Path) -> int:
    if not np.isfinite(counts).all() or counts[0] < 0:
        raise LilmError(f"{name} has a count of {counts[0]}", where=str(path), remedy=FETCH)
    return int(counts[0])
