"""Character n-grams as 64-bit hashes, straight from code points with numpy."""

from functools import lru_cache

import numpy as np

Codes = np.ndarray[tuple[int], np.dtype[np.uint32]]
Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # splitmix64's finaliser
_SHIFT = np.uint64(31)


def code_points(text: str) -> Codes:
    """Code points of `text`, [characters]."""
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)


def ngram_hashes(codes: Codes, size: int) -> Hashes:
    """Hash of each n-gram, [max(1, characters - size + 1)]; a text shorter than `size` is one n-gram.

    A polynomial in _BASE modulo 2^64, by differences of prefix sums: its cost does not depend on `size`.
    """
    size = max(1, min(size, len(codes)))
    count = len(codes) - size + 1
    if count < 1:
        return np.zeros(1, dtype=np.uint64)
    powers, inverses = _powers(1 << len(codes).bit_length())
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(codes * inverses[: len(codes)], out=sums[1:])
    hashes: Hashes = (sums[size:] - sums[:count]) * powers[size - 1 : size - 1 + count]
    hashes ^= hashes >> _SHIFT
    hashes *= _MIX
    hashes ^= hashes >> _SHIFT
    return hashes


@lru_cache(maxsize=8)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """_BASE^i and _BASE^-i for i < count."""
    bases = np.full((2, count), _BASE, dtype=np.uint64)
    bases[1] = pow(_BASE, -1, 1 << 64)
    bases[:, 0] = 1
    powers = np.cumprod(bases, axis=1)
    return powers[0], powers[1]
