"""What the report says of near-duplicate clusters; read from the blocks before they go."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lilm.pipeline.hashing import write_json
from lilm.train.corpus.blocks import Blocks, Column
from lilm.train.corpus.duplicates.exact import Numbers
from lilm.train.corpus.records import CHUNK, Places, Records, Sorter, group_firsts
from lilm.train.corpus.sample import sample

SHOWN = 20  # clusters
COPIES = 5  # of a cluster


@dataclass
class _Language:
    """sizes: {members: clusters}. biggest: (-copies, number of the document kept, place of its first copy)."""

    sizes: Counter[int] = field(default_factory=Counter)
    biggest: list[tuple[int, int, int]] = field(default_factory=list)


def read_clusters(blocks: Blocks, near: Numbers, memory: int, path: Path) -> dict[str, Any]:
    """What `cluster_figures` says, kept at `path`: the blocks' documents go before the report is made."""
    if not path.is_file():
        write_json(path, cluster_figures(blocks, near, memory, path.with_suffix(".sort")))
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def cluster_figures(blocks: Blocks, near: Numbers, memory: int, path: Path) -> dict[str, dict[str, Any]]:
    """language -> clusters, copies, sizes {members: clusters}, and the biggest with the beginnings of their texts.

    memory: bytes. path: for files that are needed meanwhile.
    """
    with Sorter(path, 2, memory // 2) as sorter:
        for at in range(0, near.shape[1], CHUNK):
            sorter.add(near[::-1, at : at + CHUNK].T)
        copies = sorter.sorted()
        by_lang: dict[str, _Language] = {}
        for starts, counts in _clusters(copies):
            kept = np.array(copies[starts, 0])
            owners = blocks.of(kept)
            for lang in sorted({blocks.all[owner].lang for owner in np.unique(owners).tolist()}):
                own = np.array([block.lang == lang for block in blocks.all], dtype=bool)[owners]
                found = by_lang.setdefault(lang, _Language())
                sizes, clusters = np.unique(counts[own] + 1, return_counts=True)
                found.sizes.update(dict(zip(sizes.tolist(), clusters.tolist(), strict=True)))
                some = np.flatnonzero(own)
                some = some[np.lexsort((kept[some], -counts[some]))[:SHOWN]]
                found.biggest += zip((-counts[some]).tolist(), kept[some].tolist(), starts[some].tolist(), strict=True)
                found.biggest = sorted(found.biggest)[:SHOWN]
        return {lang: _figures(blocks, copies, found) for lang, found in sorted(by_lang.items())}


def _clusters(copies: Records) -> Iterator[tuple[Places, Places]]:
    """Where the clusters begin, and how many copies each has, some clusters at once. copies: sorted by the document
    kept."""
    last = np.empty(0, dtype=np.int64)
    for start, firsts in group_firsts(copies, 1):
        starts = np.concatenate([last, firsts[firsts == np.arange(start, start + len(firsts))]])
        yield starts[:-1], np.diff(starts)
        last = starts[-1:]
    yield last, len(copies) - last


def _figures(blocks: Blocks, copies: Records, found: _Language) -> dict[str, Any]:
    return {
        "clusters": found.sizes.total(),
        "copies": sum((size - 1) * clusters for size, clusters in found.sizes.items()),
        "sizes": {str(size): clusters for size, clusters in sorted(found.sizes.items())},
        "biggest": [_cluster(blocks, copies[at : at + min(-count, COPIES)], -count) for count, _, at in found.biggest],
    }


def _cluster(blocks: Blocks, some: Records, copies: int) -> dict[str, Any]:
    """some: the first copies."""
    numbers = np.concatenate([some[:1, 0], some[:, 1]])
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
