"""Llama 3.1's rotary embedding in GGUF: a factor for each frequency, in a tensor of its own."""

import math
from collections.abc import Mapping
from typing import Any

TENSOR = "rope_freqs.weight"


def rope_factors(rope: Mapping[str, Any], head_dim: int) -> tuple[float, ...]:
    """What llama.cpp divides each of the head_dim / 2 frequencies by; none for other rope_types than "llama3".

    rope: `rope_parameters` of a config. As in convert_hf_to_gguf.py and transformers' `_compute_llama3_parameters`,
    long waves are stretched by `factor`, short ones stay, and those between take a share of both.
    """
    if rope["rope_type"] != "llama3":
        return ()
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    old, stretch = float(rope["original_max_position_embeddings"]), float(rope["factor"])
    factors = []
    for index in range(0, head_dim, 2):
        turns = old / (2 * math.pi * float(rope["rope_theta"]) ** (index / head_dim))  # within the old context
        share = min(1.0, max(0.0, (turns - low) / (high - low)))
        factors.append(1 / ((1 - share) / stretch + share))
    return tuple(factors)
