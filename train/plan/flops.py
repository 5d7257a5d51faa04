"""Floating-point operations of one training token.

A matrix of n weights costs 2n forwards, 2n to hand the gradient on, and 2n for its own gradient, which a frozen one
saves. Attention costs 12 × layers × width × window forwards and backwards, counted over the whole window, as PaLM
(Chowdhery et al. 2022, appendix B), TinyLlama and llm-foundry count when they publish a utilisation; what LiLM shows
while it trains counts the half that a causal model needs.
"""

from dataclasses import dataclass
from typing import Literal

from lilm.recipe import LoraConfig
from lilm.train.plan.shape import Shape

Method = Literal["full", "lora", "new rows"]


@dataclass(frozen=True)
class Flops:
    """model: what the training needs; executed: what the device does, with what checkpointing computes again."""

    model: float
    executed: float


def flops_per_token(shape: Shape, window: int, method: Method, lora: LoraConfig, checkpointing: bool) -> Flops:
    """method: what learns in the layers; the output matrix always learns, but for LoRA without embeddings.
    checkpointing: each layer's forward pass is made twice (gradient checkpointing)."""
    adapters = shape.lora(lora.rank, lora.target_modules) if method == "lora" else 0
    body = (6 if method == "full" else 4) * shape.body + 6 * adapters
    head = (4 if method == "lora" and not lora.train_embeddings else 6) * shape.head
    attention = 12 * shape.layers * shape.heads * shape.head_dim * window
    model = float(body + head + attention)
    again = 2 * (shape.body + adapters) + attention / 3
    return Flops(model, model + (again if checkpointing else 0.0))


def trained_parameters(shape: Shape, method: Method, lora: LoraConfig) -> int:
    """Parameters that have a gradient and optimizer state. New rows: both whole matrices have."""
    if method == "full":
        return shape.parameters
    if method == "new rows":
        return shape.embeddings
    return shape.lora(lora.rank, lora.target_modules) + (shape.embeddings if lora.train_embeddings else 0)
