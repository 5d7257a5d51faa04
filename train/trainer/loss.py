"""Cross-entropy that never holds all logits: 16k tokens × 51,520 pieces in float32 are 3.4 GB a copy."""

import torch
from torch.nn.functional import cross_entropy, linear
from torch.utils.checkpoint import checkpoint

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
