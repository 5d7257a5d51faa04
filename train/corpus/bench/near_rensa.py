"""rensa's ways to flag near duplicates among UTF-8 texts, for comparison: neither verified nor clustered."""

from collections.abc import Iterator, Sequence

import numpy as np
import rensa

from lilm.train.corpus.duplicates.minhash import BANDS, ROWS

NGRAM = 5
SEED = 42
BATCH_BYTES = 200_000  # hashes of a batch stay in the processor's cache; several sizes were tried
BASE = np.uint64(0x9E3779B97F4A7C15)

Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]
Flat = tuple["np.ndarray[tuple[int], np.dtype[np.uint64]]", "np.ndarray[tuple[int], np.dtype[np.uint64]]"]


def flags_by_matrix(texts: Sequence[bytes]) -> Flags:
    """Whether each text shares a band with another one: hashes by numpy, batches of signatures into the index."""
    index, matrices, start = _index(), [], 0
    for batch in _batches(texts):
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(*_flat_hashes(batch), BANDS * ROWS, SEED)
        index.insert_matrix(matrix, start)
        start += len(batch)
        matrices.append(matrix)
    return np.concatenate([index.query_duplicate_flags_matrix(matrix) for matrix in matrices]).astype(bool)


def flags_by_one_shot(texts: Sequence[bytes]) -> Flags:
    """The same from one matrix of all signatures, without an index."""
    parts = [_flat_hashes(batch) for batch in _batches(texts)]
    counts = np.concatenate([np.diff(offsets) for _, offsets in parts])
    offsets = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(counts)])
    hashes = np.concatenate([hashes for hashes, _ in parts])
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, BANDS * ROWS, SEED)
    return np.array(_index().query_duplicate_flags_matrix_one_shot(matrix), dtype=bool)


def flags_by_strings(texts: Sequence[bytes]) -> Flags:
    """The same from Python strings of 5 characters."""
    decoded = (text.decode() for text in texts)
    grams = [[text[at : at + NGRAM] for at in range(len(text) - NGRAM + 1)] for text in decoded]
    signatures = rensa.RMinHash.from_token_sets(grams, BANDS * ROWS, SEED)
    index = _index()
    index.insert_many(signatures)
    return np.array(index.query_duplicate_flags(signatures), dtype=bool)


def _index() -> "rensa.RMinHashLSH":
    return rensa.RMinHashLSH(threshold=0.8, num_perm=BANDS * ROWS, num_bands=BANDS)


def _batches(texts: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    start, size = 0, 0
    for at, text in enumerate(texts):
        size += len(text)
        if size >= BATCH_BYTES:
            yield texts[start : at + 1]
            start, size = at + 1, 0
    if start < len(texts):
        yield texts[start:]


def _flat_hashes(texts: Sequence[bytes]) -> Flat:
    """Polynomial hashes of all texts' 5-grams end to end, and where each text's begin; texts have 5 characters."""
    decoded = [text.decode() for text in texts]
    lengths = np.fromiter(map(len, decoded), dtype=np.int64, count=len(decoded))
    codes = np.frombuffer("".join(decoded).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    count = len(codes) - NGRAM + 1
    hashes = codes[:count].copy()
    for offset in range(1, NGRAM):
        hashes *= BASE
        hashes += codes[offset : offset + count]
    inside = np.ones(count, dtype=bool)
    ends = np.cumsum(lengths)[:-1]
    for offset in range(1, NGRAM):  # n-grams that reach into the next text
        inside[ends - offset] = False
    offsets = np.concatenate([[0], np.cumsum(lengths - NGRAM + 1)]).astype(np.uint64)
    return hashes[inside], offsets
