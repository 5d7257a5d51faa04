"""Cross-entropy that never holds all logits: 16k tokens × 51,520 pieces in float32 are 3.4 GB a copy."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy, linear
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from lilm.train.trainer.batches import IGNORE

CHUNK_ELEMENTS = 32 * 1024 * 1024  # logits held at once: 128 MB in float32


def _chunk_loss(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return cross_entropy(linear(hidden, weight).float(), labels, ignore_index=IGNORE, reduction="sum")


def summed_loss(hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum of the negative log likelihoods (nats) over labels that are not IGNORE.

    hidden: [batch, sequence, hidden_size]; weight: output matrix [vocab_size, hidden_size];
    labels: [batch, sequence], already shifted. Logits are made chunk by chunk and made again in the backward
    pass when there is more than one chunk.
    """
    flat, wanted = hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1)
    rows = max(1, CHUNK_ELEMENTS // weight.shape[0])
    if len(flat) <= rows:
        return _chunk_loss(flat, weight, wanted)
    total = torch.zeros((), device=hidden.device)
    for part, part_labels in zip(flat.split(rows), wanted.split(rows), strict=True):
        total = total + checkpoint(_chunk_loss, part, weight, part_labels, use_reentrant=False)
    return total


class LossModel(torch.nn.Module):
    """A Llama, also one wrapped by peft, that answers the summed loss of a batch: what every engine runs.

    dtype: "bfloat16" runs it under autocast; weights stay as they are. flat: the batch's rows are laid end to end as
    one sequence, which is how flash attention wants packed documents; their position_ids keep them apart.
    cache_casts: keep the bfloat16 copies of weights for the length of a pass.
    """

    def __init__(self, model: torch.nn.Module, dtype: str, flat: bool = False, cache_casts: bool = True) -> None:
        super().__init__()
        self.model = model
        self._bfloat16, self._flat, self._cache_casts = dtype == "bfloat16", flat, cache_casts

    def output_matrix(self) -> torch.nn.Parameter:
        weight: torch.nn.Parameter = self._causal().get_output_embeddings().weight
        return weight

    def _causal(self) -> Any:
        model: Any = self.model
        return model if isinstance(model, PreTrainedModel) else model.get_base_model()

    def forward(self, input_ids: torch.Tensor, position_ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Three int64 tensors [batch, sequence] as in `Batch` -> float32 scalar, in nats."""
        if self._flat:
            input_ids, position_ids = input_ids.view(1, -1), position_ids.view(1, -1)
        device = input_ids.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._bfloat16, cache_enabled=self._cache_casts):
            hidden = (
                self._causal().model(input_ids=input_ids, position_ids=position_ids, use_cache=False).last_hidden_state
            )
            return summed_loss(hidden, self.output_matrix(), labels)
