"""Direct Preference Optimization (Rafailov et al. 2023, arXiv:2305.18290): the loss of pairs, and what steps on it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.batches import Batch
from lilm.train.trainer.engine import PlainEngine
from lilm.train.trainer.loss import LossModel, summed_loss
from lilm.train.trainer.rank import current_rank


@dataclass(frozen=True)
class PairBatch(Batch):
    """Rows by turns a chosen and a rejected answer. reference: float32 [pairs], by how many nats the model that
    training began with found the chosen answer likelier."""

    reference: torch.Tensor | None = None


class PairLoss(LossModel):
    """The summed loss of pairs, −log σ(β·(margin − reference)), and `chosen_weight` times the chosen answers' nats per
    token beside. kept_rows: see LossModel."""

    def __init__(self, model: torch.nn.Module, dtype: str, kept_rows: int, beta: float, chosen_weight: float) -> None:
        super().__init__(model, dtype, kept_rows=kept_rows)
        self._kept, self._beta, self._chosen_weight = kept_rows, beta, chosen_weight

    def inputs(self, batch: Batch, micro_batch_size: int) -> list[tuple[Any, ...]]:
        """micro_batch_size: pairs."""
        if not isinstance(batch, PairBatch) or batch.reference is None:
            raise TypeError("a batch without pairs")
        device = self.output_matrix().device
        tensors = (batch.input_ids, batch.position_ids, batch.labels)
        parts = [tensor.to(device).split(2 * micro_batch_size) for tensor in tensors]
        return list(zip(*parts, batch.reference.to(device).split(micro_batch_size), strict=True))

    def forward(  # type: ignore[override]
        self, input_ids: torch.Tensor, position_ids: torch.Tensor, labels: torch.Tensor, reference: torch.Tensor
    ) -> torch.Tensor:
        """What `PairBatch` has -> float32 scalar, in nats."""
        hidden, matrix = self.hidden(input_ids, position_ids), self.output_matrix()
        nats = [
            summed_loss(hidden[at], matrix, labels[at], kept_rows=self._kept) for at in range(len(labels))
        ]  # of each answer
        chosen, rejected = torch.stack(nats[::2]), torch.stack(nats[1::2])
        loss = -logsigmoid(self._beta * (rejected - chosen - reference)).sum()
        if self._chosen_weight:
            loss = loss + self._chosen_weight * (chosen / (labels[::2] != IGNORE).sum(-1)).sum()
        return loss


class PairEngine(PlainEngine):
    """Steps on the mean of a batch's pairs."""

    def step(self, batch: Batch, counted: int, rate: float) -> tuple[float, float]:
        return super().step(batch, len(batch.input_ids) // 2 * current_rank().world_size, rate)
