"""Activations that are computed again instead of kept, under the name that the installed transformers has for it."""

from typing import Any

PLAIN = {"use_reentrant": False}  # gradients as without it, also of frozen embeddings


def recompute_activations(model: Any) -> None:
    """Let each layer of a transformers model, or of PEFT's around one, keep its input only.

    transformers' newer versions call it activation checkpointing, warn of the old name, and drop it in version 6.
    """
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable(PLAIN)
