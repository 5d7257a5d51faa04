"""Snippets of the corpus that show the new pieces, cut by the old and the new tokenizer, with the places they share."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lilm.vocabulary.pieces import Pieces

SNIPPET_CHARS = 64
PER_PIECE = 25  # snippets that show a piece, where there are so many (as in the paper)
Ids = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Snippet:
    """One text in both vocabularies, BOS in front. old, new: its ids.

    old_at, new_at: pairs of positions after which both have read the same text, from the first new piece on.
    """

    old: Ids
    new: Ids
    old_at: Ids
    new_at: Ids


def collect_snippets(
    texts: Iterable[str],
    base: Pieces,
    merged: Pieces,
    window: int,
    most: int,
) -> list[Snippet]:
    """At most `most` snippets of at most `window` old ids, in the order of the texts.

    One is taken when it has a new piece that fewer than PER_PIECE others have: rare pieces get their share.
    """
    seen = np.zeros(len(merged), dtype=np.int64)
    sizes = [np.array(vocabulary.n_bytes()) for vocabulary in (base, merged)]
    found: list[Snippet] = []
    for text in _pieces_of(texts):
        if len(found) >= most:
            break
        new = merged.encode(text)
        pieces = sorted({index for index in new if index >= len(base)})
        if not pieces or seen[pieces].min() >= PER_PIECE:
            continue
        old = base.encode(text)
        # a base that lacks bytes has not read them, and would be ahead from there on
        if len(old) < window and sizes[0][old].sum() == sizes[1][new].sum():
            seen[pieces] += 1
            found.append(_snippet(old, new, sizes[0], sizes[1], base.bos_id, len(base)))
    return found


def _pieces_of(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for line in text.split("\n"):
            yield from (line[at : at + SNIPPET_CHARS] for at in range(0, len(line), SNIPPET_CHARS))


def _snippet(
    old: Sequence[int], new: Sequence[int], old_bytes: Ids, new_bytes: Ids, bos_id: int, n_old: int
) -> Snippet:
    one, other = np.array([bos_id, *old]), np.array([bos_id, *new])
    old_ends, new_ends = np.cumsum(old_bytes[one[1:]]), np.cumsum(new_bytes[other[1:]])
    _, old_at, new_at = np.intersect1d(old_ends, new_ends, assume_unique=True, return_indices=True)
    from_new = new_at + 1 >= np.flatnonzero(other >= n_old)[0]
    return Snippet(one, other, old_at[from_new] + 1, new_at[from_new] + 1)


def stack_ids(rows: Sequence[Ids], device: torch.device) -> torch.Tensor:
    """[batch, longest], padded at the right, where causal attention never looks back from."""
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(padded).to(device)


def stack_places(rows: Sequence[Ids], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """(row, column) of all places, to index [batch, sequence] with."""
    row = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
    return torch.from_numpy(row).to(device), torch.from_numpy(np.concatenate(rows)).to(device)
