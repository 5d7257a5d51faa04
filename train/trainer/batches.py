"""What the loop eats: batches that are a pure function of the step, so that a resumed run sees the same ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from lilm.train.trainer.rank import Rank, current_rank


class TrainingSequence(Protocol):
    """One training sequence; three int64 arrays of length [sequence_length].

    `labels[t]` is the token to predict at t, already shifted, or IGNORE; `position_ids` start at 0 in every
    packed document, from which transformers knows that documents must not see each other.
    """

    @property
    def input_ids(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]": ...
    @property
    def position_ids(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]": ...
    @property
    def labels(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]": ...


class Sequences(Protocol):
    def sequence(self, index: int) -> TrainingSequence: ...


@dataclass(frozen=True)
class SoftTargets:
    """For each token of a batch, in order, other pieces that are as good a target as its label, and how much of it.

    starts: int64 [tokens + 1]; those of token t are pieces[starts[t] : starts[t + 1]] (int64), with the probabilities
    shares (float32), which sum to at most 1; what is left of 1 is the label's.
    """

    starts: torch.Tensor
    pieces: torch.Tensor
    shares: torch.Tensor

    def rows(self, begin: int, end: int) -> "SoftTargets":
        """Those of the tokens from `begin` to before `end`."""
        first, last = int(self.starts[begin]), int(self.starts[end])
        return SoftTargets(self.starts[begin : end + 1] - first, self.pieces[first:last], self.shares[first:last])

    def to(self, device: torch.device) -> "SoftTargets":
        return SoftTargets(self.starts.to(device), self.pieces.to(device), self.shares.to(device))


@dataclass(frozen=True)
class Batch:
    """Three int64 tensors [batch, sequence_length], and targets beside the labels where there are any."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    labels: torch.Tensor
    soft: SoftTargets | None = None

    def split(self, size: int) -> list["Batch"]:
        """Micro-batches of `size` sequences."""
        parts = zip(self.input_ids.split(size), self.position_ids.split(size), self.labels.split(size), strict=True)
        step = size * self.input_ids.shape[1]
        return [
            Batch(*part, None if self.soft is None else self.soft.rows(at * step, at * step + part[0].numel()))
            for at, part in enumerate(parts)
        ]

    def to(self, device: torch.device) -> "Batch":
        soft = None if self.soft is None else self.soft.to(device)
        return Batch(self.input_ids.to(device), self.position_ids.to(device), self.labels.to(device), soft)


@dataclass(frozen=True)
class Interleaved:
    """The sequences of several sources in turn: one of each, then the next of each."""

    sources: tuple[Sequences, ...]

    def sequence(self, index: int) -> TrainingSequence:
        turn, which = divmod(index, len(self.sources))
        return self.sources[which].sequence(turn)


@dataclass(frozen=True)
class Blend:
    """Sequences with `share` of them from `replay`, spread evenly. Without `replay` the share must be 0.

    Sequence g is the floor(g·share)-th of `replay` when that number goes up after g, else the next of `main`: the share
    holds from every start, and g alone decides.
    """

    main: Sequences
    replay: Sequences | None
    share: float

    def sequence(self, index: int) -> TrainingSequence:
        before, after = int(index * self.share), int((index + 1) * self.share)
        if self.replay is not None and after > before:
            return self.replay.sequence(before)
        return self.main.sequence(index - before)


BatchAt = Callable[[int], Batch]  # step -> this process's share of its batch


def stack(sequences: list[TrainingSequence]) -> Batch:
    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(np.stack([getattr(one, name) for one in sequences]))

    return Batch(tensor("input_ids"), tensor("position_ids"), tensor("labels"))


def mixed(
    main: Sequences, replay: Sequences | None, share: float, batch_size: int, rank: Rank | None = None
) -> BatchAt:
    """Batches with `share` of their sequences from `replay`, spread evenly.

    batch_size: sequences of all processes together; rank: whose part of them, by default this process's.

    See `Blend`: the share holds at every step.
    """
    mine = (rank or current_rank()).share(batch_size, "batch_size")
    blend = Blend(main, replay, share)

    def at(step: int) -> Batch:
        return stack([blend.sequence(step * batch_size + index) for index in range(mine.start, mine.stop)])

    return at
