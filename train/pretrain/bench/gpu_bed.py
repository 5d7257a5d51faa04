"""Made-up tokens and random weights: what speed and correctness need."""

from typing import Any

import numpy as np
import torch

from lilm.llama.shape import Shape
from lilm.train.pack.memory_store import MemoryStore
from lilm.train.pack.packing import PackedSequences
from lilm.train.plan.calibrate import random_llama
from lilm.train.trainer.batches import Batch

DOCUMENTS = 3000
MEDIAN, SPREAD = 0.2, 1.0  # log-normal lengths, as parts of a window: a mean of a third, one in 20 longer than it


def made_up_documents(vocab_size: int, window: int) -> MemoryStore:
    """Random tokens: speed does not depend on what stands in them, but on where documents end."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(MEDIAN * window), SPREAD, DOCUMENTS), 4, 8 * window).astype(int)
    return MemoryStore([rng.integers(0, vocab_size, size) for size in lengths])  # type: ignore[misc]


def seen_share(batch: Batch) -> float:
    """Returns which share of a row's pairs of tokens is of one document: what attention really has to look at."""
    rows, window = batch.position_ids.shape
    counts = [torch.bincount((row == 0).cumsum(0)).double() for row in batch.position_ids]
    return float(sum((one**2).sum() for one in counts)) / (rows * window**2)


def random_model(shape: Shape, device: torch.device) -> Any:
    """The same weights every time, made where they are wanted."""
    torch.manual_seed(0)
    with device:
        return random_llama(shape)


def packed(shape: Shape, window: int) -> PackedSequences:
    return PackedSequences(made_up_documents(shape.vocab, window), window, seed=0)
