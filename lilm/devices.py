"""Where numeric work runs, set up so that it can be repeated bit by bit."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8  # of mallopt(3)
# By itself glibc gives large blocks that are freed back to the kernel, which clears each page anew at the next use: a
# fifth of a training step at 135M parameters.
_KEEPING = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_ARENA_MAX, 1))
# Kept, they are broken up by the small ones that stay: 1.2 billion parameters that were measured in 5 GB took 10.
_RETURNING = ((_M_MMAP_MAX, 65_536), (_M_MMAP_THRESHOLD, 4 << 20), (_M_TRIM_THRESHOLD, 128 << 20))


def prepare_torch(seed: int, threads: int, trains: bool = True) -> "torch.device":
    """Seed torch, fix its CPU threads, and answer the device to use: the GPU when there is one, and in a process
    among several the one that was set for it. trains: memory that is freed is kept for the next step, which is faster;
    else the system gets it back, since what is used once and never again would leave it in pieces."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        return torch.device("cuda")
    # transformers imports an installed DeepSpeed when it saves a model, which then warns that it found no GPU
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    _set_malloc(_KEEPING if trains else _RETURNING)
    return torch.device("cpu")


def processor() -> str:
    """What the system calls the machine's CPU."""
    import platform

    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.is_file() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def gpu_memory() -> int | None:
    """Bytes that the GPU has free; None without one."""
    import torch

    return torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else None


def _set_malloc(settings: tuple[tuple[int, int], ...]) -> None:
    """Set glibc's allocator so, where the C library is glibc; elsewhere nothing changes."""
    import ctypes
    import platform

    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = ctypes.CDLL(None).mallopt
    for setting, value in settings:
        mallopt(setting, value)
