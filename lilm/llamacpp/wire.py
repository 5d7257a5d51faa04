"""Messages between this process and the llama.cpp child: a JSON head and raw arrays."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def write_message(stream: BinaryIO, head: Mapping[str, Any], arrays: Sequence[Array] = ()) -> None:
    """4 bytes of length (little endian), the head as JSON, then the arrays' bytes, whose types and shapes it names."""
    text = json.dumps({**head, "arrays": [[array.dtype.str, list(array.shape)] for array in arrays]}).encode()
    stream.write(len(text).to_bytes(4, "little") + text)
    for array in arrays:
        stream.write(np.ascontiguousarray(array).data)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], list[Array]]:
    """The next message. Raises EOFError when the other side is gone."""
    head = json.loads(_read(stream, int.from_bytes(_read(stream, 4), "little")))
    arrays = []
    for name, shape in head.pop("arrays"):
        dtype = np.dtype(name)
        arrays.append(np.frombuffer(_read(stream, dtype.itemsize * math.prod(shape)), dtype).reshape(shape))
    return head, arrays


def _read(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data
