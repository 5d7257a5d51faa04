"""The loss of pairs, and what steps on it: Direct Preference Optimization (Rafailov et al. 2023, arXiv:2305.18290) and
Simple Preference Optimization (Meng et al. 2024, arXiv:2405.14734)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from lilm.memory import trim_heap
from lilm.recipe import PreferenceConfig
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
    """The summed loss of pairs, and `chosen_weight` times the chosen answers' nats per token beside: of dpo
    −log σ(β·(margin − reference)), of simpo −log σ(β·(margin by token) − γ). kept_rows: see LossModel."""

    def __init__(self, model: torch.nn.Module, dtype: str, kept_rows: int, config: PreferenceConfig) -> None:
        super().__init__(model, dtype, kept_rows=kept_rows)
        self._kept, self._config = kept_rows, config

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
        tokens = (labels != IGNORE).sum(-1)
        by_token, config = chosen / tokens[::2], self._config
        if config.loss == "simpo":
            margin = config.simpo_beta * (rejected / tokens[1::2] - by_token) - config.simpo_gamma
        else:
            margin = config.beta * (rejected - chosen - reference)
        loss = -logsigmoid(margin).sum()
        if config.chosen_weight:
            loss = loss + config.chosen_weight * by_token.sum()
        return loss


class PairEngine(PlainEngine):
    """Steps on the mean of a batch's pairs."""

    def step(self, batch: Batch, counted: int, rate: float) -> tuple[float, float]:
        found = super().step(batch, len(batch.input_ids) // 2 * current_rank().world_size, rate)
        trim_heap()  # rows have other widths in each step, and what one has freed fits the next one badly
        return found
