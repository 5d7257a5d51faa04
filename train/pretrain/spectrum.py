"""The rank of what training changed: the singular values of each matrix's difference."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch

SHARES = (90, 95, 99)
_LAYER = re.compile(r"model\.layers\.(\d+)\.(?:self_attn|mlp)\.(\w+_proj)\.weight")


@dataclass(frozen=True)
class Change:
    """How one matrix changed. rank90, rank95, rank99: how many singular values hold that share of the energy, the
    squared Frobenius norm, so what a LoRA of that rank could hold at best (Eckart and Young 1936). full: how many there
    are. relative: norm of the change / norm of the matrix. energy: share that the first 1, 2, 4, 8, … values hold."""

    layer: int
    module: str
    full: int
    rank90: int
    rank95: int
    rank99: int
    relative: float
    energy: dict[str, float]


def ranks_holding(values: torch.Tensor, shares: tuple[int, ...] = SHARES) -> list[int]:
    """How many of the singular `values` (largest first) hold each percentage of the energy; 0 of a zero matrix.

    >>> ranks_holding(torch.tensor([3.0, 1.0, 0.0]))
    [1, 2, 2]
    """
    energy = values.double().square()
    total = float(energy.sum())
    if total == 0:
        return [0] * len(shares)
    held = energy.cumsum(0) / total
    return [int((held < share / 100 - 1e-12).sum()) + 1 for share in shares]


def changes(model: torch.nn.Module, before: Mapping[str, torch.Tensor]) -> list[Change]:
    """Returns the change of each projection of each layer, in the order of the layers. before: the state dict that
    training began with."""
    found = []
    for name, parameter in model.named_parameters():
        match = _LAYER.fullmatch(name)
        if match is None:
            continue
        old = before[name].to(parameter.device).float()
        difference = parameter.detach().float() - old
        values = torch.linalg.svdvals(difference).cpu()
        found.append(_change(int(match[1]), match[2], values, float(difference.norm() / old.norm())))
    return found


def _change(layer: int, module: str, values: torch.Tensor, relative: float) -> Change:
    energy = values.double().square()
    held = (energy.cumsum(0) / energy.sum().clamp(min=1e-300)).tolist()
    steps = [1 << power for power in range(len(values).bit_length()) if 1 << power <= len(values)]
    if steps[-1] != len(values):
        steps.append(len(values))
    at = {str(rank): round(held[rank - 1], 6) for rank in steps}
    rank90, rank95, rank99 = ranks_holding(values)
    return Change(layer, module, len(values), rank90, rank95, rank99, relative, at)
