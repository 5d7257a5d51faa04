"""Which parameter learns how fast, which decays, and which rows and layers must not move at all."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lilm.errors import LilmError
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


_LAYER = re.compile(r"\blayers\.(\d+)\.")


def require_layers(model: torch.nn.Module, n_kept: int, where: str) -> dict[str, int]:
    """The layer of each parameter that is in one, by its name. Raises LilmError when all are to be kept."""
    numbered = {name: int(found[1]) for name, _ in model.named_parameters() if (found := _LAYER.search(name))}
    n_layers = max(numbered.values(), default=-1) + 1
    if n_kept and n_kept >= n_layers:
        what = f"keep_layers = {n_kept}, and the model has {n_layers} layers"
        raise LilmError(what, where=where, remedy="keep fewer, so that some learn")
    return numbered


@contextmanager
def layers_kept(model: torch.nn.Module, n_layers: int, where: str) -> Iterator[None]:
    """Within, nothing in the first `n_layers` layers learns, adapters of them neither.

    Raises LilmError when no layer would be left.
    """
    numbered = require_layers(model, n_layers, where)
    kept = [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and numbered.get(name, n_layers) < n_layers
    ]
    for parameter in kept:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in kept:
            parameter.requires_grad_(True)


@contextmanager
def rows_kept(model: Any, n_rows: int, level: torch.Tensor | None = None) -> Iterator[None]:
    """Within, the first `n_rows` rows of the input and output matrix get gradients of exactly 0.

    With zero gradients and no weight decay AdamW leaves them as they are, bit by bit. level: a unit vector
    [hidden_size]; the other rows of the output matrix get no gradient along it (see `keep_level`).
    """
    output = model.get_output_embeddings().weight

    def cleared(matrix: torch.nn.Parameter) -> Any:
        def clear(gradient: torch.Tensor) -> torch.Tensor:
            gradient = gradient.clone()
            gradient[:n_rows] = 0
            if level is not None and matrix is output:
                _take_off(gradient[n_rows:], level)
            return gradient

        return clear

    learning = [matrix for matrix in matrices(model) if matrix.requires_grad] if n_rows else []
    handles: list[Any] = [matrix.register_hook(cleared(matrix)) for matrix in learning]  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def keep_level(optimizer: torch.optim.Optimizer, matrix: torch.nn.Parameter, n_rows: int, level: torch.Tensor) -> None:
    """Have `optimizer` move the rows of `matrix` from `n_rows` on at right angles to `level` only.

    level: the unit vector of the mean hidden state, which is most of every hidden state (at SmolLM2 52 of 54). AdamW's
    steps have about the same size in every coordinate, so the part along it would move all logits of a row up or down
    by whole nats at once, whatever was read; without it a rate ten times as high is stable.
    """
    before: list[torch.Tensor] = []

    def remember(*unused: Any) -> None:
        before[:] = [matrix.detach()[n_rows:].clone()]

    def take_off(*unused: Any) -> None:
        with torch.no_grad():
            moved = matrix[n_rows:] - before.pop()
            matrix[n_rows:] -= (moved @ level)[:, None] * level

    optimizer.register_step_pre_hook(remember)
    optimizer.register_step_post_hook(take_off)


def _take_off(rows: torch.Tensor, level: torch.Tensor) -> None:
    rows -= (rows @ level)[:, None] * level
