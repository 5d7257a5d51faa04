"""Near duplicates: MinHash finds candidates, true Jaccard similarity decides, union-find makes clusters.

Signatures and the first look for shared bands are rensa's, on hashes of character 5-grams; a signature of 128
permutations in 16 bands of 8 rows finds 95% of pairs at similarity 0.8 and practically all above 0.9.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import rensa

from lilm.train.corpus.document import Document, Drop
from lilm.train.corpus.ngrams import Hashes, code_points, ngram_hashes

NGRAM = 5
PERMUTATIONS = 128
BATCH_CHARS = 500_000  # hashes of a batch (8 bytes a character) stay near the cache
SEED = 42  # fixed: what is a duplicate does not depend on the recipe's seed

Digests = np.ndarray[tuple[int, int], np.dtype[np.uint32]]


def drop_near(documents: Sequence[Document], threshold: float) -> tuple[list[Document], list[Drop], list[list[str]]]:
    """(kept, dropped, clusters of ids) for texts whose 5-grams have Jaccard similarity >= `threshold`.

    Of a cluster the longest text is kept (of equally long ones that with the least id), its id first in the
    cluster. The answer does not depend on the order of `documents`, whose order is left as it was.
    """
    ranked = sorted(documents, key=lambda document: (-len(document.text), document.id))
    leader = _clusters([document.text for document in ranked], threshold)
    clusters: dict[int, list[str]] = defaultdict(list)
    copy_of: dict[str, str] = {}
    for index, document in enumerate(ranked):
        clusters[leader[index]].append(document.id)
        if leader[index] != index:
            copy_of[document.id] = ranked[leader[index]].id
    kept = [document for document in documents if document.id not in copy_of]
    drops = [
        Drop(document, "near_duplicate", f"like {copy_of[document.id]}")
        for document in documents
        if document.id in copy_of
    ]
    return kept, drops, [ids for ids in clusters.values() if len(ids) > 1]


def jaccard(first: Hashes, second: Hashes) -> float:
    """Similarity of two sets given as sorted distinct hashes."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / (len(first) + len(second) - shared)


def _clusters(texts: Sequence[str], threshold: float) -> list[int]:
    """For each text the least index of its cluster."""
    parent = list(range(len(texts)))

    def find(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    @lru_cache(maxsize=4096)
    def grams(index: int) -> Hashes:
        return np.unique(ngram_hashes(code_points(texts[index]), NGRAM))

    rows = 8 if threshold >= 0.7 else 4
    for bucket in _buckets(texts, rows):
        # Members are compared with those that started a group of their own in this bucket, not all with all.
        heads: list[int] = []
        for index in bucket:
            for head in heads:
                if find(head) == find(index):
                    break
                shorter, longer = sorted((len(grams(head)), len(grams(index))))
                if shorter >= threshold * longer and jaccard(grams(head), grams(index)) >= threshold:
                    first, second = sorted((find(head), find(index)))
                    parent[second] = first
                    break
            else:
                heads.append(index)
    return [find(index) for index in range(len(texts))]


def _buckets(texts: Sequence[str], rows: int) -> Iterator[list[int]]:
    """Groups of indices whose signatures agree in a band of `rows`, ascending, in a fixed order."""
    suspects, digests = _suspects(texts, PERMUTATIONS // rows)
    seen: set[tuple[int, ...]] = set()
    for start in range(0, PERMUTATIONS, rows):
        band: dict[bytes, list[int]] = defaultdict(list)
        for index, digest in zip(suspects, digests[:, start : start + rows], strict=True):
            band[digest.tobytes()].append(index)
        for members in band.values():
            group = tuple(members)
            if len(group) > 1 and group not in seen:
                seen.add(group)
                yield members


def _suspects(texts: Sequence[str], bands: int) -> tuple[list[int], Digests]:
    """Indices of texts that share a band with another one, and their signatures [texts, permutations]."""
    lsh = rensa.RMinHashLSH(threshold=0.8, num_perm=PERMUTATIONS, num_bands=bands)
    matrices = []
    for start, stop in _batches(texts):
        hashes, offsets = _flat_hashes(texts[start:stop])
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, SEED)
        lsh.insert_matrix(matrix, start)
        matrices.append((start, stop, matrix))
    suspects: list[int] = []
    for start, _stop, matrix in matrices:
        flags = np.array(lsh.query_duplicate_flags_matrix(matrix), dtype=bool)
        suspects.extend((np.flatnonzero(flags) + start).tolist())
    # Signatures again, for the few: taking all of them out of rensa costs more than the signing.
    chosen = [texts[index] for index in suspects]
    digests = [np.empty((0, PERMUTATIONS), dtype=np.uint32)]
    for start, stop in _batches(chosen):
        hashes, offsets = _flat_hashes(chosen[start:stop])
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, PERMUTATIONS, SEED)
        digests.append(np.array(matrix.to_rows(), dtype=np.uint32))
    return suspects, np.concatenate(digests)


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of texts of about BATCH_CHARS characters together."""
    start, chars = 0, 0
    for index, text in enumerate(texts):
        chars += len(text)
        if chars >= BATCH_CHARS:
            yield start, index + 1
            start, chars = index + 1, 0
    if start < len(texts):
        yield start, len(texts)


def _flat_hashes(texts: Sequence[str]) -> tuple[Hashes, "np.ndarray[tuple[int], np.dtype[np.uint64]]"]:
    """5-gram hashes of all texts end to end, and where each text's begin [texts + 1]."""
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    if lengths.min(initial=NGRAM) >= NGRAM:
        hashes = ngram_hashes(code_points("".join(texts)), NGRAM)
        ends = np.cumsum(lengths)
        inside = np.ones(len(hashes), dtype=bool)
        for offset in range(NGRAM - 1):  # n-grams that reach into the next text
            inside[ends[:-1] - 1 - offset] = False
        counts = lengths - NGRAM + 1
        flat = hashes[inside]
    else:
        each = [ngram_hashes(code_points(text), NGRAM) for text in texts]
        counts = np.array([len(one) for one in each], dtype=np.int64)
        flat = np.concatenate(each)
    return flat, np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)
