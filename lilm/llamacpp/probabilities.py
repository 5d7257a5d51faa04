"""From logits to probabilities, and how far two of these are apart."""

import numpy as np
from numpy.typing import NDArray


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities over the last axis; sums in float64."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    total = np.exp(shifted).sum(axis=-1, keepdims=True, dtype=np.float64)
    normed: NDArray[np.float32] = shifted - np.log(total).astype(np.float32)
    return normed


def kl_divergence(reference: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """KL(reference || other) in nats for each row of two arrays of log-probabilities."""
    divergence: NDArray[np.float64] = (np.exp(reference) * (reference - other)).sum(axis=-1, dtype=np.float64)
    return divergence
