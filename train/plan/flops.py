"""Floating-point operations of one training token by what learns, and how many parameters that is."""

from dataclasses import dataclass
from typing import Literal

from lilm.llama.flops import attention_flops, training_flops
from lilm.llama.shape import Shape
from lilm.recipe import LoraConfig

Method = Literal["full", "lora", "new rows"]


@dataclass(frozen=True)
class Flops:
    """model: what the training needs; executed: what the device does, with what checkpointing computes again."""

    model: float
    executed: float


def method_flops(shape: Shape, window: int, method: Method, lora: LoraConfig, checkpointing: bool) -> Flops:
    """method: what learns in the layers; the output matrix always learns, but for LoRA without embeddings.
    checkpointing: each layer's forward pass is made twice (gradient checkpointing)."""
    adapters = shape.lora(lora.rank, lora.target_modules) if method == "lora" else 0
    learning = shape.body if method == "full" else 0
    learning += 0 if method == "lora" and not lora.train_embeddings else shape.head
    model = training_flops(shape, window, learning, adapters)
    again = 2 * (shape.body + adapters) + attention_flops(shape, window)
    return Flops(model, model + (again if checkpointing else 0.0))


def trained_parameters(shape: Shape, method: Method, lora: LoraConfig) -> int:
    """Parameters that have a gradient and optimizer state. New rows: both whole matrices have."""
    if method == "full":
        return shape.parameters
    if method == "new rows":
        return shape.embeddings
    return shape.lora(lora.rank, lora.target_modules) + (shape.embeddings if lora.train_embeddings else 0)
