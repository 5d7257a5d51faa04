"""What devices can do at most."""

# FLOP/s of dense matrix products in the type that training uses: bfloat16 with float32 sums, from NVIDIA's data sheets
# and whitepapers (RTX 3090: GA102's, table 2; 142 is without float32 sums). A64FX has no bfloat16: float32, 48 cores ×
# 2 pipes × 16 lanes × 2 × 2.0 GHz. A special name stands before those that are part of it.
PEAK_FLOPS = {
    "B200": 2250e12,
    "GH200": 989.4e12,
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "RTX 5090": 209.5e12,
    "RTX 4090": 165.2e12,
    "RTX 3090 Ti": 80e12,
    "RTX 3090": 71e12,
    "A6000": 154.8e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L4": 121e12,
    "A64FX": 6.144e12,
}


def peak_flops(device_name: str) -> float | None:
    """FLOP/s of a GPU by the name that CUDA gives it; None when it is not in the table.

    >>> peak_flops("NVIDIA H100 80GB HBM3"), peak_flops("NVIDIA GeForce RTX 3090"), peak_flops("CPU")
    (989400000000000.0, 71000000000000.0, None)
    """
    return next((peak for name, peak in PEAK_FLOPS.items() if name in device_name), None)
