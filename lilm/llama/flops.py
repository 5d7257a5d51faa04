"""Floating-point operations of one token, counted in one way everywhere.

A matrix of n weights costs 2n forwards, 2n to hand the gradient on, and 2n for its own gradient, which a frozen one
saves; the look-up in the input matrix costs nothing (Kaplan et al. 2020, arXiv:2001.08361, table 1; PaLM, Chowdhery et
al. 2022, appendix B). Attention is two more products for each token that a token sees, with nothing frozen. It is
counted over its causal half: a token sees half of its window on average. PaLM, TinyLlama, llm-foundry and torch's
FlopCounterMode count the whole window, with what the mask hides: they have twice as much attention.
"""

from lilm.llama.shape import Shape


def attention_flops(shape: Shape, window: int) -> float:
    """Returns the FLOPs of attention in one token's forward pass, in a sequence of `window` tokens: 2 products × 2
    operations × window / 2."""
    return 2.0 * shape.layers * shape.width * window


def forward_flops(shape: Shape, window: int) -> float:
    """Returns the FLOPs of one token that is only read, with the logits."""
    return 2.0 * (shape.body + shape.head) + attention_flops(shape, window)


def training_flops(shape: Shape, window: int, learning: int | None = None, adapters: int = 0) -> float:
    """Returns the FLOPs of one token's forward and backward pass.

    learning: weights of the layers' matrices and the output matrix that learn; None: all of them. adapters: parameters
    of LoRA beside them, which learn too.
    """
    weights = shape.body + shape.head
    learnt = weights if learning is None else min(learning, weights)
    return 4.0 * weights + 2.0 * learnt + 6.0 * adapters + 3 * attention_flops(shape, window)
