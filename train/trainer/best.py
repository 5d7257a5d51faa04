"""Which measurement was the best so far, its weights on the disk, and when there is no better one to hope for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from lilm.disk import replacing, require_space
from lilm.train.trainer.engine import Engine
from lilm.train.trainer.rank import barrier, current_rank

HEADER = 1 << 20  # room for the names in the file


@dataclass(frozen=True)
class KeepBest:
    """figure: of what is measured, the lower the better. patience: measurements without a better one after which
    training stops; 0: it never does."""

    figure: str
    patience: int

    def entry(self, metrics: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """The measurement with the lowest figure, of several the first. Raises ValueError when there is none."""
        return min((entry for entry in metrics if self.figure in entry), key=lambda entry: float(entry[self.figure]))

    def is_over(self, metrics: Sequence[Mapping[str, Any]]) -> bool:
        measured = [entry["step"] for entry in metrics if self.figure in entry]
        if not self.patience or not measured:
            return False
        return len(measured) - 1 - measured.index(self.entry(metrics)["step"]) >= self.patience


class BestWeights:
    """The trained weights of the best measurement, one file in `folder`.

    An older file stays until a checkpoint knows of a better one: a killed run finds there what its checkpoint needs,
    and from there on makes the same files again.
    """

    def __init__(self, keep: KeepBest, folder: Path) -> None:
        self._keep, self._folder = keep, folder

    def see(self, engine: Engine, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Writes the weights when the last entry is the best; all processes must ask together."""
        step = metrics[-1]["step"]
        if self._keep.figure not in metrics[-1] or self._keep.entry(metrics)["step"] != step:
            return
        weights = engine.state().weights
        if current_rank().rank == 0:
            self._folder.mkdir(parents=True, exist_ok=True)
            needed = HEADER + sum(value.numel() * value.element_size() for value in weights.values())
            remedy = "free some space and start again; it goes on from the last checkpoint"
            require_space(self._folder, needed, f"the weights of step {step}", remedy)
            with replacing(self._file(step)) as part:
                save_file({name: value.contiguous() for name, value in weights.items()}, part)
        barrier()

    def tidy(self, metrics: Sequence[Mapping[str, Any]]) -> None:
        """Drops the others' files, once a checkpoint with these metrics is on the disk."""
        best = self._file(self._keep.entry(metrics)["step"])
        for other in self._folder.glob("best-*") if current_rank().rank == 0 else ():
            if other != best:
                other.unlink()

    @torch.no_grad()
    def put_back(self, named: Mapping[str, torch.nn.Parameter], metrics: Sequence[Mapping[str, Any]]) -> None:
        """Gives the parameters the weights of the best measurement, unless they have them: it was the last step."""
        step = self._keep.entry(metrics)["step"]
        if step == metrics[-1]["step"]:
            return
        weights = load_file(self._file(step))
        for name, parameter in named.items():
            parameter.copy_(weights[name])

    def _file(self, step: int) -> Path:
        return self._folder / f"best-{step:08d}.safetensors"
