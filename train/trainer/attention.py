"""Which attention trains: packed documents must not see each other in any of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

FLASH, SDPA = "flash_attention_2", "sdpa"


def choose_attention(model: Any, device: torch.device, dtype: str) -> bool:
    """Set the model to flash attention where it is installed and can run; answers whether it was.

    It wants a GPU and bfloat16, and the batch as one long sequence (see `LossModel`); then it never looks at pairs of
    tokens of different documents, while SDPA looks and masks.
    """
    from transformers.utils.import_utils import is_flash_attn_2_available

    usable = device.type == "cuda" and dtype == "bfloat16" and is_flash_attn_2_available()
    model.set_attn_implementation(FLASH if usable else SDPA)
    return bool(usable)


@contextmanager
def exact_attention(model: Any) -> Iterator[None]:
    """Within, a model that trains with flash attention measures with SDPA, in float32 and with a cache."""
    before = model.config._attn_implementation
    if before != FLASH:
        yield
        return
    model.set_attn_implementation(SDPA)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
