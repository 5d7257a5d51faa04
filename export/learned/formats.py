"""Quantised rows to their parts and back, byte for byte as llama.cpp lays them out (ggml-common.h, ggml-quants.c)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lilm.export.learned import k_blocks
from lilm.export.learned.blocks import Bytes, Parts

HALF = 2  # bytes of a scale
LOW = np.uint8(0x0F)
FIFTH_BITS = 4  # bytes of them: bit i of these 32 is the highest of code i


def decode(rows: Bytes, kind: str) -> Parts:
    """The parts of `rows` [rows, bytes of a row], as they are stored in a GGUF file."""
    return _FORMATS[kind][0](np.ascontiguousarray(rows).reshape(-1, _FORMATS[kind][2]))


def encode(parts: Parts, kind: str, rows: int) -> Bytes:
    """[rows, bytes of a row]: the inverse of `decode`."""
    return _FORMATS[kind][1](parts).reshape(rows, -1)


def _scale_and_rest(blocks: Bytes) -> tuple[NDArray[np.float16], Bytes]:
    scales: NDArray[np.float16] = np.ascontiguousarray(blocks[:, :HALF]).view("<f2")[:, 0]
    return scales, blocks[:, HALF:]


def _with_scale(scales: NDArray[np.float16], rest: Bytes) -> Bytes:
    return np.concatenate([scales.astype("<f2").view(np.uint8).reshape(-1, HALF), rest], axis=1)


def _unpack_halves(packed: Bytes) -> Bytes:
    """The low halves of all bytes, then the high ones."""
    return np.concatenate([packed & 0x0F, packed >> 4], axis=1)


def _pack_halves(codes: Bytes) -> Bytes:
    low, high = np.split(codes, 2, axis=1)
    return low | (high << np.uint8(4))


def _from_q4_0(blocks: Bytes) -> Parts:
    scales, rest = _scale_and_rest(blocks)
    return Parts(_unpack_halves(rest).astype(np.int8) - np.int8(8), scales)


def _to_q4_0(parts: Parts) -> Bytes:
    return _with_scale(parts.scales, _pack_halves((parts.codes + np.int8(8)).astype(np.uint8)))


def _from_iq4_nl(blocks: Bytes) -> Parts:
    scales, rest = _scale_and_rest(blocks)
    return Parts(_unpack_halves(rest).astype(np.int8), scales)


def _to_iq4_nl(parts: Parts) -> Bytes:
    return _with_scale(parts.scales, _pack_halves(parts.codes.astype(np.uint8)))


def _from_q5_0(blocks: Bytes) -> Parts:
    scales, rest = _scale_and_rest(blocks)
    fifth, low = np.split(rest, [FIFTH_BITS], axis=1)
    bits = np.unpackbits(fifth, axis=1, bitorder="little")
    return Parts((_unpack_halves(low) | (bits << np.uint8(4))).astype(np.int8) - np.int8(16), scales)


def _to_q5_0(parts: Parts) -> Bytes:
    codes = (parts.codes + np.int8(16)).astype(np.uint8)
    fifth = np.packbits(codes >> np.uint8(4), axis=1, bitorder="little")
    return _with_scale(parts.scales, np.concatenate([fifth, _pack_halves(codes & LOW)], axis=1))


def _from_q8_0(blocks: Bytes) -> Parts:
    scales, rest = _scale_and_rest(blocks)
    return Parts(np.ascontiguousarray(rest).view(np.int8), scales)


def _to_q8_0(parts: Parts) -> Bytes:
    return _with_scale(parts.scales, np.ascontiguousarray(parts.codes).view(np.uint8))


_FORMATS: dict[str, tuple[Callable[[Bytes], Parts], Callable[[Parts], Bytes], int]] = {
    "Q4_0": (_from_q4_0, _to_q4_0, 18),
    "IQ4_NL": (_from_iq4_nl, _to_iq4_nl, 18),
    "Q5_0": (_from_q5_0, _to_q5_0, 22),
    "Q8_0": (_from_q8_0, _to_q8_0, 34),
    "Q3_K": (k_blocks.from_q3_k, k_blocks.to_q3_k, 110),
    "Q4_K": (k_blocks.from_q4_k, k_blocks.to_q4_k, 144),
    "Q5_K": (k_blocks.from_q5_k, k_blocks.to_q5_k, 176),
    "Q6_K": (k_blocks.from_q6_k, k_blocks.to_q6_k, 210),
}
"""By type: from blocks [n, bytes], to them, and the bytes of one."""
