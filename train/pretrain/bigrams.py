"""What follows each new piece in the whole corpus: a softer target than the one piece that follows it here.

A run sees a small part of its corpus, so most new pieces come by a few times only; counting pairs reads all of it in
seconds. Where the last token read is a new piece, a share of the target is the distribution of its successors in the
corpus, with absolute discounting (Ney, Essen & Kneser 1994); the mass that discounting frees stays with the token that
really follows. Smoothing the targets of a neural model by an n-gram model's: Malagutti et al. 2024, arXiv:2403.17240.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from lilm.train.pack.packing import Documents
from lilm.train.trainer.batches import Batch, BatchAt, SoftTargets

DISCOUNT = 0.75  # taken off each count (Kneser & Ney 1995 find .5 to 1 for pairs)
MOST_TOKENS = 20_000_000  # that are counted, the best documents first
BLOCK_TOKENS = 2_000_000  # of which pairs are sorted at once
Ids = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Bigrams:
    """first: the first new piece. starts: int64 [new + 1]; the successors of piece first + i are
    followers[starts[i] : starts[i + 1]] (int64), with the discounted probabilities shares (float32)."""

    first: int
    starts: Ids
    followers: Ids
    shares: np.ndarray[tuple[int], np.dtype[np.float32]]

    def targets(self, batch: Batch, weight: float) -> SoftTargets:
        """Returns for each token of `batch`, in order, the successors of what is read there, when that is a new piece.
        Their shares are multiplied by `weight`, 0 to 1."""
        read = batch.input_ids.numpy().reshape(-1) - self.first
        known = np.where(read >= 0, read, 0)
        begins, counts = self.starts[known], np.where(read >= 0, self.starts[known + 1] - self.starts[known], 0)
        ends = np.cumsum(counts)
        places = np.arange(ends[-1]) - np.repeat(ends - counts, counts) + np.repeat(begins, counts)
        return SoftTargets(
            torch.from_numpy(np.concatenate([[0], ends])),
            torch.from_numpy(self.followers[places]),
            torch.from_numpy(self.shares[places] * np.float32(weight)),
        )


def count_bigrams(documents: Documents, first: int, vocab_size: int) -> Bigrams:
    """Count what follows each piece from `first` on, within documents, over at most MOST_TOKENS tokens."""
    pairs = np.empty(0, dtype=np.int64)
    counts = np.empty(0, dtype=np.int64)
    for block in _blocks(documents):
        found, times = np.unique(np.concatenate([_pairs(ids, first, vocab_size) for ids in block]), return_counts=True)
        pairs, where = np.unique(np.concatenate([pairs, found]), return_inverse=True)
        counts = np.bincount(where, weights=np.concatenate([counts, times]), minlength=len(pairs)).astype(np.int64)
    pieces, followers = np.divmod(pairs, vocab_size)
    starts = np.searchsorted(pieces, np.arange(vocab_size - first + 1))
    totals = np.bincount(pieces, weights=counts, minlength=vocab_size - first)
    shares = (counts - DISCOUNT) / totals[pieces]
    return Bigrams(first, starts, followers, shares.astype(np.float32))


def taught(at: BatchAt, bigrams: Bigrams, weight: Callable[[int], float]) -> BatchAt:
    """The batches of `at` with soft targets, whose share at a step is `weight` of it; none where that is 0."""

    def with_targets(step: int) -> Batch:
        batch, share = at(step), weight(step)
        return replace(batch, soft=bigrams.targets(batch, share)) if share else batch

    return with_targets


def _pairs(ids: Ids, first: int, vocab_size: int) -> Ids:
    """(piece − first) · vocab_size + follower, for each new piece that something follows."""
    read, followers = ids[:-1] - first, ids[1:]
    new = read >= 0
    return np.asarray(read[new] * vocab_size + followers[new])


def _blocks(documents: Documents) -> Iterator[list[Ids]]:
    """Documents in groups of about BLOCK_TOKENS tokens, MOST_TOKENS in all."""
    block: list[Ids] = []
    held = total = 0
    for index in range(documents.n_documents):
        ids = documents.document(index).astype(np.int64)
        block.append(ids)
        held, total = held + len(ids), total + len(ids)
        if held >= BLOCK_TOKENS:
            yield block
            block, held = [], 0
        if total >= MOST_TOKENS:
            break
    if block:
        yield block
