"""What llama.cpp does to a matrix's inputs before it multiplies: it rounds them to bytes, as the matrix's type wants.

K types share one scale among 256 inputs, the others among 32, so that one large input costs its neighbours more. In a
small model this alone may be more than what Q6_K takes from the weights.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

NOT_ROUNDED = ("F16", "BF16", "F32")
SHARING, SHARING_K = 32, 256  # inputs with one scale: ggml-common.h, QK8_0 and QK_K
K_TYPES = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS")
LARGEST = 127


def inputs_sharing(kind: str) -> int:
    """How many inputs of a matrix of the type `kind` have one scale; 0 where they are not rounded. Source: llama.cpp,
    ggml-cpu.c, type_traits_cpu, vec_dot_type."""
    if kind in NOT_ROUNDED:
        return 0
    return SHARING_K if kind in K_TYPES else SHARING


def rounded_inputs(inputs: torch.Tensor, sharing: int) -> torch.Tensor:
    """`inputs` [..., columns] as they are after it. Source: ggml-quants.c, quantize_row_q8_0_ref and
    quantize_row_q8_K_ref."""
    groups = inputs.unflatten(-1, (-1, sharing))
    scale = groups.abs().amax(-1, keepdim=True) / LARGEST
    codes = (groups / scale.masked_fill(scale == 0, 1)).round()
    found: torch.Tensor = (codes * (scale.half().float() if sharing == SHARING else scale)).flatten(-2)
    return found


@contextmanager
def rounding_inputs(matrices: Sequence[torch.nn.Module], kind: str) -> Iterator[None]:
    """The inputs of `matrices`, which have the type `kind`, are rounded meanwhile."""
    sharing = inputs_sharing(kind)

    def hook(_: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (rounded_inputs(given[0], sharing), *given[1:])

    hooks = [matrix.register_forward_pre_hook(hook) for matrix in matrices] if sharing else []
    try:
        yield
    finally:
        for one in hooks:
            one.remove()
