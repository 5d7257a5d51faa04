"""How far what pairs taught is kept: as far as held-out answers allow.

Weights between those before and those after a training lose little of what was known, and keep much of what was learnt
(Wortsman et al. 2022, arXiv:2109.01903; of preferences Lin et al. 2024, arXiv:2309.06256).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from lilm.disk import replacing, require_space
from lilm.train.trainer.rank import barrier, current_rank

HALVINGS = 5  # of the way: shares are found to 1/32


def write_weights(model: Any, path: Path) -> None:
    """All processes must ask together; the first one writes. Raises LilmError when there is no room."""
    if current_rank().rank == 0:
        weights = {name: value.detach().contiguous() for name, value in model.named_parameters()}
        path.parent.mkdir(parents=True, exist_ok=True)
        needed = sum(value.numel() * value.element_size() for value in weights.values())
        remedy = "free some space and start again; it goes on from the last checkpoint"
        require_space(path.parent, needed, "the weights before pairs are learnt", remedy)
        with replacing(path) as part:
            save_file(weights, part)
    barrier()


@torch.no_grad()
def go_part_way(model: Any, begun: Path, rise: Callable[[], float], most: float) -> float:
    """Give the model weights between those in the file `begun` and its own: of the shares of this way that were tried,
    the greatest at which `rise()` is at most `most`. Returns it, from 0 to below 1.

    rise: of the model as it then is. That it grows along the way is taken for granted.
    """
    named = dict(model.named_parameters())
    first, learnt = load_file(begun), {name: value.detach().clone() for name, value in named.items()}

    def go(share: float) -> None:
        for name, value in named.items():
            value.copy_(torch.lerp(first[name].to(value.device), learnt[name], share))

    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        go(middle)
        low, high = (middle, high) if rise() <= most else (low, middle)
    go(low)
    return low
