"""YaRN's rotary embedding (https://arxiv.org/abs/2309.00071): what of it is the same in transformers and llama.cpp."""

import math
from collections.abc import Mapping
from typing import Any

FIXED: dict[str, float | bool] = {"beta_fast": 32.0, "beta_slow": 1.0, "truncate": True}
"""transformers' figures that llama.cpp has fixed for a Llama: it reads the betas of other architectures only."""
SAME = 1e-6  # of two factors: a file holds them in float32


def magnitude(factor: float, weight: float = 1.0) -> float:
    """What both multiply cosine and sine by for positions stretched by `factor`, unless a figure says otherwise."""
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0


def attention_factor(rope: Mapping[str, Any]) -> float:
    """What a config's figures multiply cosine and sine by (transformers, `_compute_yarn_parameters`)."""
    if rope.get("attention_factor") is not None:
        return float(rope["attention_factor"])
    factor, one, other = rope["factor"], rope.get("mscale"), rope.get("mscale_all_dim")
    return magnitude(factor, one) / magnitude(factor, other) if one and other else magnitude(factor)


def attention_figure(factor: float, found: float) -> dict[str, float]:
    """The key of `rope_parameters` that says `found`; none where it follows from `factor`."""
    return {} if math.isclose(found, magnitude(factor), rel_tol=SAME) else {"attention_factor": found}


def has_order(old: int, theta: float, head_dim: int) -> bool:
    """Whether the waves that turn often come before those that turn seldom, in the context of `old` tokens; with very
    small figures they do not, and transformers and llama.cpp go on differently."""

    def at(turns: float) -> float:  # which of the head_dim / 2 frequencies turns so often within the context
        return head_dim * math.log(old / (turns * 2 * math.pi)) / (2 * math.log(theta))

    if theta <= 1:
        return False
    low, high = math.floor(at(FIXED["beta_fast"])), math.ceil(at(FIXED["beta_slow"]))
    return max(low, 0) <= min(high, head_dim - 1)
