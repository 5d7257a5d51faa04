"""KL divergence of a student from its teacher that never holds all logits, as lilm.train.trainer.loss has it."""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from lilm.train.trainer.chunks import CHUNK_ELEMENTS
from lilm.train.trainer.loss_fused import scaled_gradients


class _SummedDivergence(torch.autograd.Function):
    """The gradient is taken where the divergence is, chunk by chunk, while both logits are at hand."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        teacher_hidden: torch.Tensor,
        teacher_weight: torch.Tensor,
    ) -> torch.Tensor:
        """hidden: [tokens, hidden_size]; weight: [vocab_size, hidden_size]; the teacher's alike."""
        learns_hidden, learns_weight, *_ = ctx.needs_input_grad
        total = torch.zeros((), device=hidden.device)
        hidden_grad = torch.empty_like(hidden) if learns_hidden else None
        weight_grad = torch.zeros_like(weight, dtype=torch.float32) if learns_weight else None
        wide, teacher_wide = weight.to(hidden.dtype), teacher_weight.to(teacher_hidden.dtype)
        rows = max(1, CHUNK_ELEMENTS // weight.shape[0])
        for at in range(0, len(hidden), rows):
            part = hidden[at : at + rows]
            wanted = linear(teacher_hidden[at : at + rows], teacher_wide).float().log_softmax(-1)
            found = linear(part, wide).float().log_softmax(-1)
            shares = wanted.exp()
            total += (shares * wanted.sub_(found)).sum()
            if hidden_grad is None and weight_grad is None:
                continue
            slope = found.exp_().sub_(shares).to(hidden.dtype)
            if hidden_grad is not None:
                hidden_grad[at : at + rows] = slope @ wide
            if weight_grad is not None and slope.dtype == torch.float32:
                weight_grad.addmm_(slope.T, part)
            elif weight_grad is not None:
                weight_grad += slope.T @ part
        ctx.save_for_backward(hidden_grad, weight_grad)
        ctx.weight_dtype = weight.dtype
        return total

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, upper: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        return (*scaled_gradients(ctx, upper), None, None)


def summed_divergence(
    hidden: torch.Tensor, weight: torch.Tensor, teacher_hidden: torch.Tensor, teacher_weight: torch.Tensor
) -> torch.Tensor:
    """Returns the sum over tokens of KL(teacher || student), in nats, a float32 scalar.

    hidden, teacher_hidden: last hidden states [tokens, hidden_size]; logits are computed in their type. weight,
    teacher_weight: output matrices [vocab_size, hidden_size]. Gradients reach `hidden` and `weight`, and can be taken
    once.
    """
    summed: torch.Tensor = _SummedDivergence.apply(hidden, weight, teacher_hidden, teacher_weight)  # type: ignore[no-untyped-call]
    return summed


@torch.no_grad()
def same_top(
    hidden: torch.Tensor, weight: torch.Tensor, teacher_hidden: torch.Tensor, teacher_weight: torch.Tensor
) -> int:
    """Returns for how many tokens student and teacher find the same next token most likely. Arguments: as in
    `summed_divergence`."""
    rows = max(1, CHUNK_ELEMENTS // weight.shape[0])
    count = 0
    for one, other in zip(hidden.split(rows), teacher_hidden.split(rows), strict=True):
        count += int((linear(one, weight).argmax(-1) == linear(other, teacher_weight).argmax(-1)).sum())
    return count
