"""Near duplicates: sketches find candidates, true Jaccard similarity decides, union-find makes clusters.

A text is the set of its character 5-grams. Its sketch has 128 rows (Fast Similarity Sketching: Dahlgaard, Knudsen and
Thorup, FOCS 2017), each equal between two texts with a probability of their Jaccard similarity; texts whose rows agree
in one band of 16 are compared (Leskovec et al., Mining of Massive Datasets, chapter 3). That finds 95% of pairs at
similarity 0.8 and practically all above 0.9.

The inner loops are compiled (native/near_duplicates.cpp) and take UTF-8 as well as str: the answer is the same. Its
seed is fixed, so that what is a duplicate does not depend on the recipe.
"""

from collections.abc import Sequence

import numpy as np

from lilm.train.corpus import _native

NGRAM = 5  # characters, as in native/grams.h
BANDS, ROWS = 16, 8
CACHE_BYTES = 32_000_000

Texts = Sequence[str | bytes]
Indices = np.ndarray[tuple[int], np.dtype[np.uint32]]
Offsets = np.ndarray[tuple[int], np.dtype[np.uint64]]
Hashes = np.ndarray[tuple[int], np.dtype[np.uint64]]
Edges = np.ndarray[tuple[int, int], np.dtype[np.uint32]]


def shape(threshold: float) -> tuple[int, int]:
    """(bands, rows of a band) that find pairs of Jaccard similarity `threshold`."""
    return (BANDS, ROWS) if threshold >= 0.7 else (2 * BANDS, ROWS // 2)


def band_hashes(texts: Texts, threshold: float) -> "np.ndarray[tuple[int, int], np.dtype[np.uint64]]":
    """Hash of each band of each text's sketch, [texts, bands]; in memory band after band.

    A text shorter than 5 characters is one gram, so an empty one has hashes, too. Bytes that are not UTF-8 count as
    characters of their own.
    """
    return _native.sketch_bands(texts, *shape(threshold))


def groups(band: Hashes, order: Indices | None = None) -> tuple[Indices, Offsets]:
    """(members, offsets) of all groups of two or more texts with the same hash, by ascending hash.

    band: [texts]. order: indices of texts, best first, which members follow; default: ascending. Group g has
    members[offsets[g] : offsets[g + 1]]. Raises IndexError when `order` has an index beyond the texts.
    """
    return _native.band_groups(band, order)


def verified_pairs(
    texts: Texts | Sequence[memoryview],
    members: Indices,
    offsets: Offsets,
    threshold: float,
    cache_bytes: int = CACHE_BYTES,
) -> Edges:
    """Pairs (head, member) of Jaccard similarity `threshold` or more, [pairs, 2]; a pair of several groups stands
    there several times.

    Each member of a group is compared with the heads of the group in order; when it is like none of them, it becomes
    a head itself. A group has at most 64 heads, so that it costs time linear in its size. The pairs of a group
    depend on its own members alone, however groups are split over calls. cache_bytes: memory for tables of grams; the
    answer does not depend on it. A memoryview is of UTF-8 and not copied. Raises IndexError when there is no such
    member, ValueError for offsets that do not ascend to the number of members or a threshold outside 0.5 to 1.
    """
    return _native.verified_pairs(texts, members, offsets, threshold, cache_bytes)


def clusters(count: int, edges: Edges, order: Indices | None = None) -> Indices:
    """Returns for each of `count` texts the best one of its cluster (of what edges connect), [count].

    order: indices of all texts, best first; default: ascending. Raises IndexError for an edge to no text, ValueError
    for an order that has not every text once.
    """
    return _native.cluster_leaders(count, edges, order)


def near_duplicate_leaders(texts: Texts, order: Indices | None = None, threshold: float = 0.8) -> Indices:
    """Returns for each text the best one of its near-duplicate cluster, [texts]; all in memory. order: as in
    `clusters`."""
    hashes = band_hashes(texts, threshold)
    found = [groups(band, order) for band in hashes.T]
    members = np.concatenate([members for members, _ in found])
    sizes = np.concatenate([np.diff(offsets) for _, offsets in found])
    offsets = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(sizes)])
    return clusters(len(texts), verified_pairs(texts, members, offsets, threshold), order)
