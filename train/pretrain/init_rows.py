"""How rows for new pieces can begin, given the old rows of the same matrix."""

from collections.abc import Sequence
from typing import Literal

import torch

Start = Literal["mean", "covariance", "random"]
SHRINK = 1e-9  # of the covariance, as `mean_resizing` of transformers has it


def new_rows(start: Start, rows: torch.Tensor, spelling: Sequence[Sequence[int]], seed: int) -> torch.Tensor:
    """Rows of len(spelling) new pieces, [new, hidden_size]; the same seed gives the same.

    rows: the old ones, [old, hidden_size]. spelling: old ids that each new piece was spelt with.
    """
    if start == "mean":
        return mean_rows(rows, spelling)
    return (covariance_rows if start == "covariance" else random_rows)(rows, len(spelling), seed)


def mean_rows(rows: torch.Tensor, spelling: Sequence[Sequence[int]]) -> torch.Tensor:
    """The mean of the rows that the piece was spelt with: the baseline of Dobler & de Melo 2023 (FOCUS) and others."""
    return torch.stack([rows[torch.tensor(ids, device=rows.device)].mean(dim=0) for ids in spelling])


def covariance_rows(rows: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Samples of the normal distribution with the old rows' mean and SHRINK times their covariance (Hewitt 2021,
    "Initializing New Word Embeddings for Pretrained Language Models"; transformers' default). All lie near the mean of
    all rows, so no new piece is likelier than an average old one; none knows what it is spelt with."""
    mean = rows.mean(dim=0)
    centred = (rows - mean).double()
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
    spread: torch.Tensor = vectors * values.clamp(min=0).mul(SHRINK).sqrt()
    return mean + (_noise(count, rows, seed).to(spread) @ spread.T).to(rows)


def random_rows(rows: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Samples with each column's mean and standard deviation: rows like any other, which mean nothing. The control."""
    return rows.mean(dim=0) + _noise(count, rows, seed).to(rows) * rows.std(dim=0)


def _noise(count: int, rows: torch.Tensor, seed: int) -> torch.Tensor:
    return torch.randn(count, rows.shape[1], generator=torch.Generator().manual_seed(seed))
