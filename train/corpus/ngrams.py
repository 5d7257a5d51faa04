"""Character n-grams as 64-bit hashes, straight from code points with numpy."""

import numpy as np

Codes = np.ndarray[tuple[int], np.dtype[np.uint32]]
Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so multiplication by it loses nothing
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # splitmix64's finaliser
_SHIFT = np.uint64(31)


def code_points(text: str) -> Codes:
    """Code points of `text`, [characters]."""
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)


def ngram_hashes(codes: Codes, size: int) -> Hashes:
    """Hash of each n-gram, [max(1, characters - size + 1)]; a text shorter than `size` is one n-gram."""
    size = max(1, min(size, len(codes)))
    count = len(codes) - size + 1
    if count < 1:
        return np.zeros(1, dtype=np.uint64)
    wide = codes.astype(np.uint64)
    hashes = wide[:count].copy()
    for offset in range(1, size):  # Horner's scheme, in place
        hashes *= _BASE
        hashes += wide[offset : offset + count]
    hashes ^= hashes >> _SHIFT
    hashes *= _MIX
    hashes ^= hashes >> _SHIFT
    return hashes
