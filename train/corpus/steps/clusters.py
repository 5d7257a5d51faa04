"""What the report says of near-duplicate clusters; read from the blocks before they go."""

from collections import Counter
from typing import Any

import numpy as np

from lilm.train.corpus.sample import sample
from lilm.train.corpus.steps.blocks import Blocks, Column
from lilm.train.corpus.steps.exact import Numbers

SHOWN = 20  # clusters
COPIES = 5  # of a cluster


def cluster_figures(blocks: Blocks, near: Numbers) -> dict[str, dict[str, Any]]:
    """language -> clusters, copies, sizes {members: clusters}, and the biggest with the beginnings of their texts."""
    kept, counts = np.unique(near[1], return_counts=True)
    owners = blocks.of(kept)
    by_lang: dict[str, list[int]] = {}
    for index, owner in enumerate(owners.tolist()):
        by_lang.setdefault(blocks.all[owner].lang, []).append(index)
    figures = {}
    for lang, indices in sorted(by_lang.items()):
        sizes = counts[indices] + 1
        biggest = sorted(indices, key=lambda index: (-counts[index], index))[:SHOWN]
        figures[lang] = {
            "clusters": len(indices),
            "copies": int(counts[indices].sum()),
            "sizes": {str(size): number for size, number in sorted(Counter(sizes.tolist()).items())},
            "biggest": [_cluster(blocks, near, int(kept[index]), int(counts[index])) for index in biggest],
        }
    return figures


def _cluster(blocks: Blocks, near: Numbers, kept: int, copies: int) -> dict[str, Any]:
    members = near[0][near[1] == kept][:COPIES]
    numbers = np.concatenate([np.array([kept], dtype=np.uint64), members])
    ids, texts = blocks.ids(numbers), _texts(blocks, numbers)
    return {
        "kept": ids[0],
        "size": copies + 1,
        "text": texts[0],
        "copies": [{"id": name, "text": text} for name, text in zip(ids[1:], texts[1:], strict=True)],
    }


def _texts(blocks: Blocks, numbers: Column) -> list[str]:
    """Beginnings of some documents' texts."""
    import polars as pl

    found = []
    for number, owner in zip(numbers.tolist(), blocks.of(numbers).tolist(), strict=True):
        block = blocks.all[owner]
        row = pl.scan_parquet(block.documents, glob=False).select("text").slice(number - block.first, 1).collect()
        found.append(sample(row.item()))
    return found
