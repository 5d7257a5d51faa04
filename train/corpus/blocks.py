"""Blocks: what a shard task leaves on disk, in pieces small enough to be held in memory.

A block has its documents (Parquet: text) and their keys (uint64 [4 + bands, documents], one row a key, so
that one key of all documents can be read without the others). Documents are numbered over all blocks in the order of
the plan; a number is what all later steps call a document.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lilm.disk import replacing
from lilm.train.corpus.duplicates.minhash import band_hashes
from lilm.train.corpus.records import Places

PLACE, RANK, HASH_LOW, HASH_HIGH, BANDS = 0, 1, 2, 3, 4  # rows of the keys
PIECE_BITS = np.uint64(24)  # of a place: record << 24 | 0, or the piece of the record + 1
UINT32 = np.uint64(0xFFFFFFFF)
SHIFT = np.uint64(32)

Keys = np.ndarray[tuple[int, int], np.dtype[np.uint64]]
Column = np.ndarray[tuple[int], np.dtype[np.uint64]]
Run = Callable[[str, Callable[[Any], Any], Sequence[Any]], list[Any]]
"""(label, function, tasks) -> answers in the order of the tasks."""


@dataclass(frozen=True)
class Block:
    """documents, keys: its files. prefix: of its documents' ids. first: number of its first document. earlier: of a
    corpus made before; none of its documents is dropped."""

    documents: Path
    keys: Path
    lang: str
    source: str
    prefix: str
    first: int
    rows: int
    earlier: bool = False

    @property
    def name(self) -> str:
        return self.keys.stem

    def texts(self) -> list[str]:
        texts: list[str] = pl.read_parquet(self.documents, columns=["text"], glob=False)["text"].to_list()
        return texts

    def key(self, row: int) -> Column:
        """One key of every document, [rows], straight from the disk."""
        rows: Keys = np.load(self.keys, mmap_mode="r")
        return np.array(rows[row])

    def numbers(self, rows: Places) -> Column:
        """The numbers of the documents in these rows."""
        return rows.astype(np.uint64) + np.uint64(self.first)

    def among(self, numbers: Column) -> slice:
        """Where the block's documents stand in sorted `numbers`."""
        return slice(*np.searchsorted(numbers, [self.first, self.first + self.rows]).tolist())

    def rows_among(self, numbers: Column) -> Places:
        """Rows of the block's documents that sorted `numbers` has."""
        return np.array(numbers[self.among(numbers)]).astype(np.int64) - self.first

    def ids(self, rows: Sequence[int]) -> list[str]:
        """The ids of the documents in these rows."""
        places = np.load(self.keys, mmap_mode="r")[PLACE][list(rows)].tolist()
        bits = int(PIECE_BITS)
        return [
            f"{self.prefix}-{place >> bits:07d}" + (f".{piece - 1:04d}" if piece else "")
            for place in places
            for piece in [place & ((1 << bits) - 1)]
        ]


@dataclass(frozen=True)
class Blocks:
    """All blocks, by the numbers of their documents."""

    all: tuple[Block, ...]

    @cached_property
    def _firsts(self) -> Column:
        return np.array([block.first for block in self.all], dtype=np.uint64)

    @property
    def own(self) -> list[Block]:
        """Not of an earlier corpus."""
        return [block for block in self.all if not block.earlier]

    @property
    def documents(self) -> int:
        return self.all[-1].first + self.all[-1].rows if self.all else 0

    def of(self, numbers: Column) -> Places:
        """Index of the block of each document."""
        return np.searchsorted(self._firsts, numbers, side="right").astype(np.int64) - 1

    def earlier(self, numbers: Column) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Whether each document is of an earlier block."""
        return np.array([block.earlier for block in self.all], dtype=bool)[self.of(numbers)]

    def ids(self, numbers: Column) -> list[str]:
        """The ids of any documents, in the order given."""
        found = np.empty(len(numbers), dtype=object)
        owners = self.of(numbers)
        for index in np.unique(owners).tolist():
            here = np.flatnonzero(owners == index)
            found[here] = self.all[index].ids((numbers[here] - np.uint64(self.all[index].first)).tolist())
        return list(found)


def content_hashes(texts: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.uint64]]":
    """128-bit hash (xxh3) of each text, [2, texts]: low and high half."""
    from xxhash import xxh3_128_digest

    digests = b"".join(xxh3_128_digest(text.encode("utf-8", errors="surrogatepass")) for text in texts)
    return np.frombuffer(digests, dtype=">u8").reshape(-1, 2)[:, ::-1].T.astype(np.uint64)


def rank_perplexities(ranks: Column) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The perplexities that ranks were made of, [documents], to 1/1024 in their logarithm."""
    return np.exp(((ranks >> SHIFT).astype(np.float64) - 1) / 1024)


def make_ranks(perplexities: Sequence[float] | None, lengths: Sequence[int]) -> Column:
    """What is kept of copies has the least rank: best scored first (to 1/1024 in log perplexity), then longest."""
    length = UINT32 - np.minimum(np.asarray(lengths, dtype=np.uint64), UINT32)
    scores = np.ones(len(length)) if perplexities is None else np.asarray(perplexities, dtype=np.float64)
    score = (np.log(np.clip(scores, 1.0, 1e30)) * 1024).astype(np.uint64)
    # 1: rank 0 is for documents of an earlier corpus, which were there first
    ranks: Column = ((score + np.uint64(1)) << SHIFT) | length
    return ranks


def changed_ranks(ranks: Column, lengths: Sequence[int]) -> Column:
    """The ranks of documents that have other lengths now."""
    length = UINT32 - np.minimum(np.asarray(lengths, dtype=np.uint64), UINT32)
    found: Column = (ranks & ~UINT32) | length
    return found


def make_keys(places: Column, texts: Sequence[str], ranks: Column, threshold: float) -> Keys:
    """The keys of documents. threshold: Jaccard similarity of near duplicates; 1: no bands are made."""
    bands = band_hashes(texts, threshold).T if threshold < 1 else np.empty((0, len(texts)), dtype=np.uint64)
    return np.concatenate([places[None], ranks[None], content_hashes(texts), bands])


def save_array(path: Path, array: "np.ndarray[Any, Any]") -> None:
    """Whole or not at all."""
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def save_frame(path: Path, frame: pl.DataFrame) -> None:
    """Whole or not at all."""
    with replacing(path) as part:
        frame.write_parquet(part, compression="zstd")
