"""Where numeric work runs, set up so that it can be repeated bit by bit."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def prepare_torch(seed: int, threads: int) -> "torch.device":
    """Seed torch, fix its CPU threads, and answer the device to use: the GPU when there is one, and in a process
    among several the one that was set for it."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        return torch.device("cuda")
    # transformers imports an installed DeepSpeed when it saves a model, which then warns that it found no GPU
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    return torch.device("cpu")
