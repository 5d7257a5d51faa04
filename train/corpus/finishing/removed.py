"""What is taken out, and why: boilerplate out of documents, and documents out of the corpus."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from lilm.train.corpus.blocks import Block, Blocks, save_frame
from lilm.train.corpus.reading.shard import DROP_COLUMNS
from lilm.train.corpus.sample import sample
from lilm.train.corpus.tally import SAMPLES, Tally, utf8_size

Alive = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass
class Removed:
    """Boilerplate taken out. removed: how many passages; bytes: of UTF-8. samples: beginnings, of lines with their
    hash, of other passages with the number of documents that have them."""

    removed: int = 0
    bytes: int = 0
    samples: dict[str, int] = field(default_factory=dict)

    def add(self, passage: str, value: int) -> None:
        self.removed += 1
        self.bytes += utf8_size(passage)
        if len(self.samples) < SAMPLES:
            self.samples.setdefault(sample(passage.strip()), value)


class Drops:
    """Documents of a block that are dropped. texts: of the whole block, as they stand when they are dropped."""

    def __init__(self, block: Block, texts: Sequence[str]) -> None:
        self.tally = Tally()
        self.ids = block.ids(range(block.rows))
        self._block, self._texts = block, texts
        self._rows: list[tuple[str, ...]] = []

    def add(self, row: int, rule: str, reason: str) -> None:
        beginning = sample(self._texts[row])
        self.tally.drop(rule, self.ids[row], reason, utf8_size(self._texts[row]), lambda: (beginning, []))
        self._rows.append((self.ids[row], self._block.source, self._block.lang, rule, reason, beginning))

    def copies(self, exact: Path, near: Path, blocks: Blocks, again: bool = False) -> Alive:
        """Drop the copies that the files tell of (see Copies). Returns which documents are left. again: they are
        copies since boilerplate is gone; their steps were counted before it."""
        sizes = np.array([utf8_size(text) for text in self._texts], dtype=np.int64)
        alive = np.ones(self._block.rows, dtype=bool)
        for path, rule, words, step in (
            (exact, "exact_duplicate", "copy of", "exact_deduplicated"),
            (near, "near_duplicate", "like", "near_deduplicated"),
        ):
            copies, kept = np.load(path, mmap_mode="r")
            originals = blocks.ids(np.array(kept[self._block.among(copies)]))
            for row, original in zip(self._block.rows_among(copies).tolist(), originals, strict=True):
                alive[row] = False
                self.add(row, rule, f"{words} {original}" + (" without boilerplate" if again else ""))
            if not again:
                self.tally.count(self._block.source, step, int(alive.sum()), int(sizes[alive].sum()))
        return alive

    def save(self, path: Path) -> None:
        save_frame(path, pl.DataFrame(self._rows, schema=dict.fromkeys(DROP_COLUMNS, pl.String), orient="row"))
