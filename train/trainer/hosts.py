"""How many processes a recipe asks for, and whether its batches can be shared out over them."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from lilm.errors import LilmError
from lilm.recipe import DistributedConfig, OptimConfig

REMEDY = "write a line `HOST slots=N` for each machine"
_LINE = re.compile(r"\s*(\S+)\s+slots\s*=\s*(\d+)\s*$")  # as DeepSpeed's launcher reads it


def read_hostfile(path: Path) -> dict[str, int]:
    """Processes by host. Raises LilmError naming the line that is not `HOST slots=N`."""
    if not path.is_file():
        raise LilmError("no such file", where=f"hostfile {path}", remedy=REMEDY)
    hosts: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.split("#")[0].strip()
        if not text:
            continue
        match = _LINE.match(text)
        if match is None or match[1] in hosts or int(match[2]) < 1:
            raise LilmError(
                f"{line.strip()!r} is not `HOST slots=N`, or the host stood there before",
                where=f"{path}:{number}",
                remedy="mend that line",
            )
        hosts[match[1]] = int(match[2])
    if not hosts:
        raise LilmError("no host in it", where=f"hostfile {path}", remedy=REMEDY)
    return hosts


def rank_count(distributed: DistributedConfig) -> int:
    """Processes in all. Raises LilmError for a hostfile that cannot be read."""
    return sum(read_hostfile(Path(distributed.hostfile)).values()) if distributed.hostfile else distributed.processes


def check_ranks(distributed: DistributedConfig, optims: Mapping[str, OptimConfig]) -> None:
    """Raises LilmError when a batch of `optims` (by recipe key) cannot be shared out evenly, or when what ZeRO or a
    hostfile needs is not installed."""
    world_size = rank_count(distributed)
    for key, optim in optims.items():
        micro_batches(optim, world_size, key)
    if distributed.hostfile or (world_size > 1 and distributed.zero):
        require_deepspeed()
    for program in ("ssh", "pdsh") if distributed.hostfile else ():
        if shutil.which(program) is None:
            raise LilmError(
                f"{program} is not installed",
                where="distributed.hostfile",
                remedy="install it (on Debian and Ubuntu: sudo apt-get install openssh-client pdsh)",
            )


def require_deepspeed() -> None:
    from importlib.util import find_spec

    if find_spec("deepspeed") is None:
        raise LilmError(
            "the package deepspeed is not installed",
            where="distributed",
            remedy="pip install 'lilm[distributed]', or set zero = 0",
        )


def micro_batches(optim: OptimConfig, world_size: int, where: str) -> tuple[int, int]:
    """(sequences of a forward pass, forward passes of a step) in each of `world_size` processes.

    Raises LilmError when the batch cannot be shared out evenly.
    """
    size = optim.micro_batch_size or max(1, optim.batch_size // world_size)
    if optim.batch_size % (size * world_size):
        raise LilmError(
            f"batch_size {optim.batch_size} is not a multiple of {world_size} processes × {size} sequences",
            where=where,
            remedy="change batch_size or micro_batch_size, or the number of processes",
        )
    return size, optim.batch_size // (size * world_size)
