"""Searches the scale of each block that makes the rounding error of its weights smallest."""

from dataclasses import replace

import numpy as np
import torch

from lilm.export.learned.blocks import Parts
from lilm.export.learned.kinds import Kind

FACTORS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1)  # of the scale that llama.cpp chose; each is then refined
AT_ONCE = 1 << 13  # blocks: what stays in a processor's cache


@torch.no_grad()
def searched(weight: torch.Tensor, parts: Parts, kind: Kind) -> Parts:
    """Returns `parts` with other scales where these give a smaller squared error. The codes stay as they are.

    weight: the full matrix [rows, columns]. llama.cpp's Q4_0 takes a block's scale from its largest weight alone. Parts
    of types whose groups have scales of their own, which llama.cpp searches itself, and of eight-bit types, whose error
    is small, come back as they are.
    """
    if kind.sub_scales is not None or kind.highest - kind.lowest > 15:
        return parts
    found = []
    start = torch.from_numpy(parts.scales.astype(np.float32)).to(weight.device)[:, None]
    for block, scale in zip(weight.reshape(-1, kind.block).split(AT_ONCE), start.split(AT_ONCE), strict=True):
        best, least = scale.clone(), _error(block, scale, kind)[0]
        for factor in FACTORS:
            tried = scale * factor
            _, codes = _error(block, tried, kind)
            fitted = (block * codes).sum(-1, keepdim=True) / (codes * codes).sum(-1, keepdim=True).clamp(min=1e-30)
            fitted = fitted.half().float()
            error, _ = _error(block, fitted, kind)
            better = error < least
            best, least = torch.where(better, fitted, best), torch.where(better, error, least)
        found.append(best[:, 0].half())
    return replace(parts, scales=torch.cat(found).cpu().numpy())


def _error(block: torch.Tensor, scale: torch.Tensor, kind: Kind) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns (squared error of each block [n, 1], values of its nearest codes [n, block]). block: weights [n, block].
    scale: [n, 1]."""
    places = block / torch.where(scale == 0, torch.inf, scale)
    if kind.table:
        table = torch.tensor(kind.table, dtype=torch.float32, device=block.device)
        codes = table[torch.bucketize(places, (table[1:] + table[:-1]) / 2)]
    else:
        codes = places.round_().clamp_(kind.lowest, kind.highest)
    return (codes * scale - block).square_().sum(-1, keepdim=True), codes
