"""A corpus made before, against which a new one is deduplicated: its documents are signed again, which costs less
than an index on the disk, and can never be of another version."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from lilm.train.corpus.blocks import PIECE_BITS, Block, make_keys, save_array


@dataclass(frozen=True)
class EarlierTask:
    """part: of a corpus stage's docs. name: its documents' ids begin so. number: of the part among all earlier ones."""

    part: Path
    name: str
    lang: str
    number: int
    threshold: float
    folder: Path

    @property
    def keys(self) -> Path:
        return self.folder / f"earlier-{self.number:05d}.npy"


def earlier_tasks(corpora: tuple[str, ...], threshold: float, folder: Path) -> list[EarlierTask]:
    """One for each part of the finished corpus stages `corpora`."""
    parts = [
        (part, f"earlier/{_name(place, Path(corpus))}/{part.parts[-3]}/{part.parts[-2]}/{part.stem}")
        for place, corpus in enumerate(corpora, 1)
        for part in sorted(Path(corpus).glob("docs/*/*/part-*.parquet"))
    ]
    return [
        EarlierTask(part, name, part.parts[-3], number, threshold, folder) for number, (part, name) in enumerate(parts)
    ]


def _name(place: int, corpus: Path) -> str:
    """Its run's name, where it is a run's stage. The place in the recipe tells runs of one name apart."""
    return f"{place}-{corpus.parent.name if corpus.name == 'corpus' else corpus.name}"


def sign_earlier(task: EarlierTask) -> int:
    """Write the keys of the part's documents. Returns how many there are."""
    if not task.keys.is_file():
        texts = pl.read_parquet(task.part, columns=["text"], glob=False)["text"].to_list()
        rows = np.arange(len(texts), dtype=np.uint64)
        save_array(task.keys, make_keys(rows << PIECE_BITS, texts, np.zeros_like(rows), task.threshold))
    return int(np.load(task.keys, mmap_mode="r").shape[1])


def earlier_block(task: EarlierTask, first: int, rows: int) -> Block:
    return Block(task.part, task.keys, task.lang, "earlier", task.name, first, rows, earlier=True)
