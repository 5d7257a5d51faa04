"""Which of the training processes this is, and what they tell each other; one process alone needs no network."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Rank:
    """rank: number of this process, from 0. world_size: number of processes."""

    rank: int = 0
    world_size: int = 1

    def share(self, whole: int, what: str) -> range:
        """The part of range(whole) that is this process's. Raises ValueError when it cannot be shared evenly."""
        if whole % self.world_size:
            raise ValueError(f"{what} {whole} is not a multiple of {self.world_size} processes")
        each = whole // self.world_size
        return range(self.rank * each, (self.rank + 1) * each)


def current_rank() -> Rank:
    """Returns the rank in the process group that the worker has joined; alone: 0 of 1."""
    if distributed.is_available() and distributed.is_initialized():
        return Rank(distributed.get_rank(), distributed.get_world_size())
    return Rank()


def all_sum(values: Sequence[float]) -> list[float]:
    """The sums of `values` over all processes, in float64; alone: the values."""
    if current_rank().world_size == 1:
        return list(values)
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    total = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(total)
    return [float(value) for value in total.tolist()]


def barrier() -> None:
    """Wait until all processes are here."""
    all_sum([0.0])
