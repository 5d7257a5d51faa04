"""How much arithmetic a token costs, and what share of the hardware's it is."""

from typing import Any

# Dense bfloat16 tensor-core rates in TFLOP/s with float32 accumulation, from NVIDIA's data sheets and whitepapers.
# The first name that stands in the device's name counts, so the special ones come first.
PEAK_TFLOPS = (
    ("B200", 2250.0),
    ("GH200", 989.4),
    ("H200", 989.4),
    ("H100 PCIe", 756.0),
    ("H100 NVL", 835.0),
    ("H100", 989.4),
    ("A100", 312.0),
    ("A800", 312.0),
    ("L40S", 362.0),
    ("L40", 181.0),
    ("RTX 5090", 209.5),
    ("RTX 4090", 165.2),
    ("RTX 3090 Ti", 80.0),
    ("RTX 3090", 71.0),
    ("A6000", 154.8),
    ("A10G", 70.0),
    ("A10", 125.0),
    ("L4", 121.0),
)


def flops_per_token(config: Any, window: int, trained: int | None = None) -> float:
    """FLOPs of forward and backward for one token in a sequence of `window`.

    config: a LlamaConfig. 6 for each weight that is multiplied (the output matrix counts, the look-up in the input
    matrix does not), and attention over the half of the window that a token sees on average: 6 · layers · heads ·
    head_dim · window (Kaplan et al. 2020; PaLM, appendix B, with the causal half). trained: how many of those weights
    learn; for the others 2 of the 6, their gradient, are not computed. None: all.
    """
    width = config.num_attention_heads * config.head_dim
    key_value = config.num_key_value_heads * config.head_dim
    layer = config.hidden_size * (2 * width + 2 * key_value + 3 * config.intermediate_size)
    weights = config.num_hidden_layers * layer + config.vocab_size * config.hidden_size
    learning = weights if trained is None else min(trained, weights)
    return float(4 * weights + 2 * learning + 6 * config.num_hidden_layers * width * window)


def peak_flops(device_name: str) -> float | None:
    """FLOP/s of a GPU by the name that CUDA gives it; None when it is not in the table.

    >>> peak_flops("NVIDIA H100 80GB HBM3"), peak_flops("NVIDIA GeForce RTX 3090"), peak_flops("CPU")
    (989400000000000.0, 71000000000000.0, None)
    """
    return next((tera * 1e12 for name, tera in PEAK_TFLOPS if name in device_name), None)
