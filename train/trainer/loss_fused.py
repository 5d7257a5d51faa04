"""The summed loss of lilm.train.trainer.loss, cut and written so that torch.compile makes a few kernels of it.

On a GPU reading memory is what costs. Compiled, the logits are written once, in bfloat16, and read three times; large
chunks, because each adds to the gradient of the whole output matrix.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from lilm.train.pack.packing import IGNORE

FUSED_LOGITS = 1 << 28  # logits held at once: half a gigabyte in bfloat16
TILE = 128  # rows that a matrix product on a GPU takes at once


class FusedLoss(torch.autograd.Function):
    """Takes the gradient where the loss is, as `_SummedLoss` does."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, labels: torch.Tensor, rows: int, kept_rows: int = 0
    ) -> torch.Tensor:
        """hidden: [tokens, hidden_size]; weight: [vocab_size, hidden_size]; labels: [tokens]; rows: of a chunk;
        kept_rows: see `lilm.train.trainer.loss.summed_loss`."""
        learns_hidden, learns_weight, *_ = ctx.needs_input_grad
        total = torch.zeros((), device=hidden.device)
        hidden_grad = torch.empty_like(hidden) if learns_hidden else None
        weight_grad = torch.zeros_like(weight, dtype=torch.float32) if learns_weight else None
        wide = weight.to(hidden.dtype)
        vocabulary = torch.arange(len(weight), device=hidden.device)
        for at in range(0, len(hidden), rows):
            part, wanted = hidden[at : at + rows], labels[at : at + rows, None]
            counts = wanted != IGNORE
            logits = linear(part, wide)
            norm = logits.float().logsumexp(-1, keepdim=True)
            chosen = logits.gather(-1, wanted.clamp(min=0)).float()
            total += ((norm - chosen) * counts).sum()
            if hidden_grad is None and weight_grad is None:
                continue
            # a comparison, where the CPU's way adds -1 at one place of each row: that would be a pass of its own
            probability = (logits.float() - norm).exp()
            slope = ((probability - (vocabulary == wanted).float()) * counts).to(hidden.dtype)
            if hidden_grad is not None:
                hidden_grad[at : at + rows] = slope @ wide
            if weight_grad is not None:
                weight_grad[kept_rows:] += slope[:, kept_rows:].T @ part
        ctx.save_for_backward(hidden_grad, weight_grad)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upper: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return (*scaled_gradients(ctx, upper), None, None, None)


def scaled_gradients(ctx: Any, upper: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """The gradients of hidden and weight that the forward pass saved, times that of the loss."""
    hidden_grad, weight_grad = ctx.saved_tensors
    return (
        None if hidden_grad is None else hidden_grad * upper.to(hidden_grad.dtype),
        None if weight_grad is None else (weight_grad * upper).to(ctx.weight_dtype),
    )


def chunk_rows(tokens: int, vocab_size: int) -> int:
    """Tokens of a chunk: a multiple of TILE, chunks as equal as they can be.

    >>> chunk_rows(16_384, 51_520), chunk_rows(100, 51_520)
    (4096, 128)
    """
    most = max(TILE, FUSED_LOGITS // vocab_size // TILE * TILE)
    chunks = -(-tokens // most)
    return -(-tokens // chunks // TILE) * TILE
