"""The blocks of the K-quants: 256 weights in groups, whose scales are small whole numbers of the block's own."""

import numpy as np
from numpy.typing import NDArray

from lilm.export.learned.blocks import Bytes, Parts

LOW, ONE, TWO, THREE, FOUR = (np.uint8(number) for number in (0x0F, 1, 2, 3, 4))
TWOS = np.array([0, 2, 4, 6], np.uint8)  # where each pair of bits lies in a byte
PACKED_SCALES = 12  # bytes of sixteen numbers of six bits: scales, or eight of them and eight mins


def from_q3_k(blocks: Bytes) -> Parts:
    third, low, packed, scales = np.split(blocks, np.cumsum([32, 64, PACKED_SCALES]), axis=1)
    whole = _twos(low) | (_bits(third) << 2)
    return Parts(whole.astype(np.int8) - np.int8(4), _half(scales), _unpack_six_bits(packed))


def to_q3_k(parts: Parts) -> Bytes:
    codes = (parts.codes + np.int8(4)).view(np.uint8)
    steps = _packed_six_bits(_known(parts.sub_scales))
    return np.concatenate(
        [_packed_bits(codes >> TWO), _packed_twos(codes & THREE), steps, _bytes_of(parts.scales)], axis=1
    )


def from_q4_k(blocks: Bytes) -> Parts:
    scales, mins, packed, codes = np.split(blocks, np.cumsum([2, 2, PACKED_SCALES]), axis=1)
    steps, sub_mins = _unpack_scales(packed)
    return Parts(_nibbles(codes, 32).view(np.int8), _half(scales), steps, _half(mins), sub_mins)


def to_q4_k(parts: Parts) -> Bytes:
    return np.concatenate([*_head(parts), _packed_nibbles(parts.codes.view(np.uint8), 32)], axis=1)


def from_q5_k(blocks: Bytes) -> Parts:
    scales, mins, packed, fifth, codes = np.split(blocks, np.cumsum([2, 2, PACKED_SCALES, 32]), axis=1)
    steps, sub_mins = _unpack_scales(packed)
    whole = _nibbles(codes, 32) | (_bits(fifth) << 4)
    return Parts(whole.view(np.int8), _half(scales), steps, _half(mins), sub_mins)


def to_q5_k(parts: Parts) -> Bytes:
    codes = parts.codes.view(np.uint8)
    return np.concatenate([*_head(parts), _packed_bits(codes >> FOUR), _packed_nibbles(codes & LOW, 32)], axis=1)


def from_q6_k(blocks: Bytes) -> Parts:
    low, high, steps, scales = np.split(blocks, np.cumsum([128, 64, 16]), axis=1)
    whole = _nibbles(low, 64) | (_twos(high) << 4)
    return Parts(whole.astype(np.int8) - np.int8(32), _half(scales), np.ascontiguousarray(steps).view(np.int8))


def to_q6_k(parts: Parts) -> Bytes:
    codes = (parts.codes + np.int8(32)).view(np.uint8)
    steps = np.ascontiguousarray(_known(parts.sub_scales)).view(np.uint8)
    low, high = _packed_nibbles(codes & LOW, 64), _packed_twos(codes >> FOUR)
    return np.concatenate([low, high, steps, _bytes_of(parts.scales)], axis=1)


def _head(parts: Parts) -> list[Bytes]:
    if parts.mins is None:
        raise ValueError("these blocks have mins")
    packed = _packed_scales(_known(parts.sub_scales), _known(parts.sub_mins))
    return [_bytes_of(parts.scales), _bytes_of(parts.mins), packed]


def _known(steps: NDArray[np.int8] | None) -> NDArray[np.int8]:
    if steps is None:
        raise ValueError("the groups of these blocks have numbers of their own")
    return steps


def _half(stored: Bytes) -> NDArray[np.float16]:
    found: NDArray[np.float16] = np.ascontiguousarray(stored).view("<f2")[:, 0]
    return found


def _bytes_of(scales: NDArray[np.float16]) -> Bytes:
    return scales.astype("<f2").view(np.uint8).reshape(-1, 2)


def _nibbles(packed: Bytes, run: int) -> Bytes:
    """Returns the low halves of each `run` bytes, then their high ones."""
    runs = packed.reshape(len(packed), -1, 1, run)
    return np.concatenate([runs & 0x0F, runs >> 4], axis=2).reshape(len(packed), -1)


def _packed_nibbles(codes: Bytes, run: int) -> Bytes:
    low, high = np.split(codes.reshape(len(codes), -1, 2, run), 2, axis=2)
    return (low | (high << FOUR)).reshape(len(codes), -1)


def _bits(packed: Bytes) -> Bytes:
    """Unpacks 32 bytes to one bit per weight: bit g of byte i belongs to weight i in run g of 32 weights."""
    bits: Bytes = (packed[:, None, :] >> np.arange(8, dtype=np.uint8)[None, :, None]) & ONE
    return bits.reshape(len(packed), -1)


def _packed_bits(bits: Bytes) -> Bytes:
    packed: Bytes = np.bitwise_or.reduce(bits.reshape(-1, 8, 32) << np.arange(8, dtype=np.uint8)[None, :, None], axis=1)
    return packed


def _twos(packed: Bytes) -> Bytes:
    """Unpacks 64 bytes to two bits per weight: in each half of the block a byte holds those of four runs of 32
    weights."""
    twos: Bytes = (packed.reshape(-1, 2, 1, 32) >> TWOS[None, None, :, None]) & THREE
    return twos.reshape(len(packed), -1)


def _packed_twos(twos: Bytes) -> Bytes:
    runs = twos.reshape(-1, 2, 4, 32) << TWOS[None, None, :, None]
    packed: Bytes = np.bitwise_or.reduce(runs, axis=2).reshape(len(twos), -1)
    return packed


def _unpack_six_bits(packed: Bytes) -> NDArray[np.int8]:
    """Scales [n, 16] less 32. The low four bits are the low halves of the first eight bytes, then the high ones; the
    last four bytes hold the high two, four scales on from each other (dequantize_row_q3_K)."""
    low, high = np.split(packed, [8], axis=1)
    fours = np.concatenate([low & LOW, low >> FOUR], axis=1)
    twos = (high[:, None, :] >> TWOS[None, :, None]) & THREE
    scales: NDArray[np.int8] = (fours | (twos.reshape(len(packed), -1) << FOUR)).view(np.int8) - np.int8(32)
    return scales


def _packed_six_bits(scales: NDArray[np.int8]) -> Bytes:
    steps = (scales + np.int8(32)).view(np.uint8)
    high = np.bitwise_or.reduce((steps >> FOUR).reshape(-1, 4, 4) << TWOS[None, :, None], axis=1)
    low = steps & LOW
    return np.concatenate([low[:, :8] | (low[:, 8:] << FOUR), high], axis=1)


def _unpack_scales(packed: Bytes) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """(scales, mins), [n, 8] each. The first four of both are the low six bits of bytes 0-3 and 4-7, whose high two are
    the high bits of the last four, whose low four are the halves of bytes 8-11 (get_scale_min_k4)."""
    first, second, rest = np.split(packed, 3, axis=1)
    scales = np.concatenate([first & 0x3F, (rest & 0x0F) | ((first >> 6) << 4)], axis=1)
    mins = np.concatenate([second & 0x3F, (rest >> 4) | ((second >> 6) << 4)], axis=1)
    return scales.view(np.int8), mins.view(np.int8)


def _packed_scales(scales: NDArray[np.int8], mins: NDArray[np.int8]) -> Bytes:
    steps, subs = (np.ascontiguousarray(one).view(np.uint8) for one in (scales, mins))
    first = steps[:, :4] | ((steps[:, 4:] >> 4) << 6)
    second = subs[:, :4] | ((subs[:, 4:] >> 4) << 6)
    rest = (steps[:, 4:] & 0x0F) | ((subs[:, 4:] & 0x0F) << 4)
    return np.concatenate([first, second, rest], axis=1)
