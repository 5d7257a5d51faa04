"""Rounds one matrix into a type's blocks, and back, by the functions that llama.cpp's own quantiser calls."""

import ctypes
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from lilm.export.block_types import block_type

Matrix = NDArray[np.float32]
Blocks = NDArray[np.uint8]


@cache
def _ggml() -> Any:
    """The ggml that llama-cpp-python computes with."""
    from llama_cpp import llama_cpp
    from llama_cpp._ctypes_extensions import load_shared_library

    ggml = load_shared_library("ggml-base", Path(llama_cpp.__file__).parent / "lib")
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3
    ggml.ggml_quantize_chunk.argtypes += [ctypes.c_void_p]
    ggml.ggml_validate_row_data.restype = ctypes.c_bool
    ggml.ggml_validate_row_data.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    return ggml


def quantise_matrix(matrix: Matrix, name: str, importance: Matrix | None = None, threads: int = 1) -> Blocks:
    """Round `matrix` [rows, columns] into blocks [rows, bytes of a row] of the type `name`.

    importance: [columns], how much an error in each counts (the mean of the squared inputs); None: ggml's plain
    rounding. The bytes do not depend on `threads`. Source: ggml_quantize_chunk, ggml.c.
    Raises ValueError when shapes do not fit; RuntimeError when a block holds what is no number.
    """
    rows, columns = matrix.shape
    kind = block_type(name)
    if not kind.fits(columns):
        raise ValueError(f"blocks of {kind.block} ({name}) do not divide rows of {columns}")
    if importance is not None and importance.shape != (columns,):
        raise ValueError(f"importance of shape {list(importance.shape)} for {columns} columns")
    source = np.ascontiguousarray(matrix, np.float32)
    weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
    blocks = np.empty((rows, columns // kind.block * kind.bytes), np.uint8)
    ggml, number = _ggml(), int(gguf.GGMLQuantizationType[name])
    given = None if weights is None else weights.ctypes.data

    def part(start: int, stop: int) -> bool:
        first, target = source[start:stop].ctypes.data, blocks[start:stop].ctypes.data
        written = ggml.ggml_quantize_chunk(number, first, target, 0, stop - start, columns, given)
        return bool(ggml.ggml_validate_row_data(number, target, written))

    edges = np.linspace(0, rows, min(threads, rows) + 1).astype(int).tolist()
    if threads == 1:
        sound = part(0, rows)
    else:
        with ThreadPoolExecutor(threads) as pool:  # ctypes lets other threads run meanwhile
            sound = all(pool.map(part, edges[:-1], edges[1:]))
    if not sound:
        raise RuntimeError(f"{name}: a block came out as no number")
    return blocks


def dequantise_matrix(blocks: Blocks, name: str) -> Matrix:
    """The weights [rows, columns] that blocks [rows, bytes of a row] of the type `name` stand for."""
    weights: Matrix = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name]).astype(np.float32, copy=False)
    return weights
