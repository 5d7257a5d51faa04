"""Held-out text in short passages: a figure for each, compared in pairs, tells chance from a difference."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

PASSAGE_BYTES = 1500
DRAWS = 1000
INTERVAL = (0.025, 0.975)


def passages(texts: Sequence[str], n_bytes: int = PASSAGE_BYTES) -> list[str]:
    """Whole lines of the texts, put together until they have `n_bytes` UTF-8 bytes; blank ones are left out.

    >>> passages(["one\\ntwo\\n\\nthree", "four"], 6)
    ['one\\ntwo', 'three', 'four']
    """
    found: list[str] = []
    for text in texts:
        lines: list[str] = []
        for line in filter(str.strip, text.split("\n")):
            lines.append(line)
            if len("\n".join(lines).encode()) >= n_bytes:
                found.append("\n".join(lines))
                lines = []
        if lines:
            found.append("\n".join(lines))
    return found


def bits(nats: Sequence[float], texts: Sequence[str]) -> float:
    """Bits per UTF-8 byte of all passages together."""
    return sum(nats) / math.log(2) / sum(len(text.encode()) for text in texts)


def differences(
    nats: Mapping[int, Sequence[float]], texts: Sequence[str], best: int, seed: int
) -> dict[int, dict[str, Any]]:
    """How much more bits per byte each has than `best`, and where 95% of the draws lie when passages are drawn anew
    (a paired bootstrap, Efron & Tibshirani 1993): what another choice of held-out text might have said."""
    sizes = np.array([len(text.encode()) for text in texts], dtype=np.float64)
    chosen = np.random.default_rng(seed).integers(0, len(texts), (DRAWS, len(texts)))
    total = sizes[chosen].sum(axis=1) * math.log(2)
    found = {}
    for name, values in nats.items():
        more = np.array(values) - np.array(nats[best])
        draws = more[chosen].sum(axis=1) / total
        found[name] = {
            "bits": float(more.sum() / sizes.sum() / math.log(2)),
            "interval": [float(value) for value in np.quantile(draws, INTERVAL)],
        }
    return found
