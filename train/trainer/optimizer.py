"""Which parameter learns how fast, which decays, and which rows must not move at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lilm.recipe import OptimConfig


def matrices(model: Any) -> list[torch.nn.Parameter]:
    """The input and the output matrix [vocab_size, hidden_size], once when tied; also of a model wrapped by peft."""
    found = [model.get_input_embeddings().weight, model.get_output_embeddings().weight]
    return list({id(matrix): matrix for matrix in found}.values())


def adamw(
    model: torch.nn.Module, optim: OptimConfig, kept_rows: int = 0, embedding_lr_scale: float = 1.0
) -> torch.optim.AdamW:
    """AdamW (fused) over what requires gradients.

    Weight decay on matrices only, never on norms (and nothing else has one dimension); not on the input and output
    matrix when their first `kept_rows` rows must stay. Each group has an `lr_scale`, by which the recipe's rate is
    multiplied: `embedding_lr_scale` for those two matrices, 1 for the rest.
    """
    vocabulary = {id(matrix) for matrix in matrices(model)}
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for parameter in model.parameters():
        if not parameter.requires_grad:
            continue
        is_vocabulary = id(parameter) in vocabulary
        decay = 0.0 if parameter.ndim == 1 or (is_vocabulary and kept_rows) else optim.weight_decay
        groups.setdefault((decay, embedding_lr_scale if is_vocabulary else 1.0), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "lr_scale": scale}
            for (decay, scale), parameters in groups.items()
        ],
        lr=optim.lr,
        betas=(0.9, optim.beta2),
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]


@contextmanager
def rows_kept(model: torch.nn.Module, n_rows: int) -> Iterator[None]:
    """Within, the first `n_rows` rows of the input and output matrix get gradients of exactly 0.

    With zero gradients and no weight decay AdamW leaves them as they are, bit by bit.
    """

    def clear(gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.clone()
        gradient[:n_rows] = 0
        return gradient

    learning = [matrix for matrix in matrices(model) if matrix.requires_grad] if n_rows else []
    handles: list[Any] = [matrix.register_hook(clear) for matrix in learning]  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
