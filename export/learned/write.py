"""Writes a GGUF file with other blocks, and reads it again to check them."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

from lilm.disk import replacing
from lilm.gguf_file import open_gguf


def write_learnt(start: Path, target: Path, blocks: Mapping[str, NDArray[np.uint8]]) -> float:
    """Write `target`: a copy of the file `start` in which the tensors named in `blocks` have these bytes. Returns the
    share of these blocks that the written file, read again, has as they were learnt.

    blocks: uint8, by GGUF name, as many bytes as the tensor has in `start`. Raises RuntimeError when they are not as
    many, or when the share is not 1, or the file has not otherwise the bytes of `start`.
    """
    before = open_gguf(start)
    with replacing(target, sync=True) as part:
        shutil.copyfile(start, part)
        with part.open("r+b") as out:
            for name, rows in blocks.items():
                tensor = before.tensors[name]
                if rows.nbytes != tensor.bytes:
                    raise RuntimeError(f"{name} has {rows.nbytes} bytes of blocks, its place has {tensor.bytes}")
                out.seek(tensor.offset)
                out.write(np.ascontiguousarray(rows).data)
        after = open_gguf(part)
        if (after.keys, after.tensors) != (before.keys, before.tensors):
            raise RuntimeError(f"{target} has another head than {start}")
        same = count = 0
        for name, tensor in after.tensors.items():
            size = gguf.GGML_QUANT_SIZES[tensor.type][1]
            wanted = blocks[name] if name in blocks else before.rows(before.tensors[name])
            equal = (after.rows(tensor).reshape(-1, size) == wanted.reshape(-1, size)).all(axis=1)
            if not equal.all():
                raise RuntimeError(f"{name} in {target} is not what was learnt: {int((~equal).sum())} blocks differ")
            if name in blocks:
                same, count = same + int(equal.sum()), count + len(equal)
    return same / count
