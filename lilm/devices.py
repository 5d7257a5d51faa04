"""Where numeric work runs, set up so that it can be repeated bit by bit."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def prepare_torch(seed: int, threads: int) -> "torch.device":
    """Seed torch, fix its CPU threads, and answer the device to use: the GPU when there is one."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
