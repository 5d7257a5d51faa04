"""Which of the training processes this is, and what they tell each other; one process alone needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Place:
    """rank: number of this process, from 0; ranks: how many there are."""

    rank: int = 0
    ranks: int = 1

    def share(self, whole: int, what: str) -> range:
        """The part of range(whole) that is this process's. Raises ValueError when it cannot be shared evenly."""
        if whole % self.ranks:
            raise ValueError(f"{what} {whole} is not a multiple of {self.ranks} processes")
        each = whole // self.ranks
        return range(self.rank * each, (self.rank + 1) * each)


def here() -> Place:
    """The place in the process group that the worker has joined, or the only one."""
    if distributed.is_available() and distributed.is_initialized():
        return Place(distributed.get_rank(), distributed.get_world_size())
    return Place()


def all_sum(values: Sequence[float]) -> list[float]:
    """The sums of `values` over all processes, in float64; alone: the values."""
    if here().ranks == 1:
        return list(values)
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    total = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(total)
    return [float(value) for value in total.tolist()]


def barrier() -> None:
    """Wait until all processes are here."""
    all_sum([0.0])
