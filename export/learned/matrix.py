"""A matrix that learns within its block type: at any step, a GGUF file can hold its weights exactly."""

import numpy as np
import torch

from lilm.export.learned.blocks import Parts
from lilm.export.learned.kinds import Kind

LARGEST_HALF = 65504.0


class LearntMatrix(torch.nn.Module):
    """Learns which code each weight gets, and the scale of each group.

    latent [n, groups, group]: the weights that are rounded to codes, in steps from code to code of the scale they began
    with; of n blocks in the order of the rows. shift [n, groups, 1]: by which part of itself each scale has moved.
    offset, alike, where the kind has mins: by how many scales the min has moved. Rounding passes gradients through to
    the weights that lie within the codes, and the scale gets what its change alters (learned step size quantisation,
    Esser et al. 2020, arXiv:1902.08153; the min as in LSQ+, Bhalgat et al. 2020, arXiv:2004.09576).
    """

    steps: torch.Tensor
    min_steps: torch.Tensor
    block_scale: torch.Tensor
    block_min: torch.Tensor
    start: torch.Tensor
    values: torch.Tensor
    borders: torch.Tensor

    def __init__(self, weight: torch.Tensor, parts: Parts, kind: Kind, codes_learn: bool = True) -> None:
        """weight: the full one [rows, columns]; parts: of the blocks it begins with. codes_learn: else only scales and
        mins do, and the codes stay."""
        super().__init__()
        self.kind, self.codes_learn = kind, codes_learn
        device = weight.device

        def told(name: str, array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None") -> None:
            values = torch.ones(1) if array is None else torch.from_numpy(array.astype(np.float32))
            self.register_buffer(name, values.to(device).view(len(values), -1, 1), persistent=False)

        told("block_scale", parts.scales)
        told("steps", parts.sub_scales)
        told("block_min", parts.mins)
        told("min_steps", parts.sub_mins)
        table = torch.tensor(kind.table, dtype=torch.float32, device=device)
        self.register_buffer("values", table, persistent=False)
        self.register_buffer("borders", (table[1:] + table[:-1]) / 2, persistent=False)
        self.register_buffer("start", self.block_scale * self.steps, persistent=False)
        shape = (len(self.start), kind.groups, kind.group)
        if codes_learn:
            latent = weight.reshape(shape) / torch.where(self.start == 0, torch.inf, self.start * kind.step)
        else:
            codes = torch.from_numpy(parts.codes).to(device).view(shape)
            latent = self.values[codes.long()] if kind.table else codes.float()
        self.latent = torch.nn.Parameter(latent, requires_grad=codes_learn)
        self.shift = torch.nn.Parameter(torch.zeros_like(self.start))
        self.offset = torch.nn.Parameter(torch.zeros_like(self.start), requires_grad=kind.has_mins)

    def _scale_steps(self) -> torch.Tensor:
        least, greatest = self.kind.sub_scales or (0, 0)
        return (self.steps * (1 + self.shift)).round_().clamp_(least, greatest)

    def _min_steps(self) -> torch.Tensor:
        least, greatest = self.kind.sub_scales or (0, 0)
        moved = self.offset * self.start / torch.where(self.block_min == 0, torch.inf, self.block_min)
        return (self.min_steps + moved).round_().clamp_(least, greatest)

    def _grid(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(scales, mins) as the file holds them, [n, groups, 1]."""
        if self.kind.sub_scales is None:
            return (self.start * (1 + self.shift)).clamp_(-LARGEST_HALF, LARGEST_HALF).half().float(), None
        mins = self.block_min * self._min_steps() if self.kind.has_mins else None
        return self.block_scale * self._scale_steps(), mins

    def _places(self, scales: torch.Tensor, mins: torch.Tensor | None) -> torch.Tensor:
        """Where each weight lies among the codes, before it is rounded to one."""
        if not self.codes_learn:
            return self.latent.clone()
        usable = torch.where(scales == 0, torch.inf, scales)
        places = self.latent * (self.start * self.kind.step / usable)
        return places if mins is None else places.add_(mins / usable)

    def _rounded(self, places: torch.Tensor) -> torch.Tensor:
        """The values of the nearest codes."""
        if self.kind.table:
            return self.values[torch.bucketize(places, self.borders)]
        return places.round().clamp_(self.kind.lowest, self.kind.highest)

    def _ends(self) -> tuple[float, float]:
        """Returns (lowest, highest place) from which rounding still reaches a code without clamping."""
        if not self.kind.table:
            return self.kind.lowest - 0.5, self.kind.highest + 0.5
        first, second, *_, before, last = self.kind.table
        return first - (second - first) / 2, last + (last - before) / 2

    @torch.no_grad()
    def weight(self) -> torch.Tensor:
        """Returns the weights [n, block], bit for bit as a reader of the file computes them."""
        scales, mins = self._grid()
        found = self._rounded(self._places(scales, mins)).mul_(scales)
        return (found if mins is None else found.sub_(mins)).view(-1, self.kind.block)

    @torch.no_grad()
    def pull(self, gradient: torch.Tensor) -> None:
        """Set the parameters' gradients from `gradient`, that of the weights [n, block]; its values are overwritten."""
        slope = gradient.view(self.latent.shape)
        scales, mins = self._grid()
        places = self._places(scales, mins)
        rounded = self._rounded(places)
        if self.codes_learn:
            least, greatest = self._ends()
            within = (places >= least) & (places <= greatest)
            rounded.sub_(places.mul_(within))
        self.shift.grad = rounded.mul_(slope).sum(-1, keepdim=True).mul_(self.start)
        if mins is not None:
            lost = slope if not self.codes_learn else slope * ~within
            self.offset.grad = lost.sum(-1, keepdim=True).mul_(-self.start)
        if self.codes_learn:
            self.latent.grad = slope.mul_(within).mul_(self.start * self.kind.step)

    @torch.no_grad()
    def parts(self) -> Parts:
        """Returns the blocks as they are now."""
        scales, mins = self._grid()
        places = self._places(scales, mins)
        codes = torch.bucketize(places, self.borders) if self.kind.table else self._rounded(places)
        whole = codes.to(torch.int8).view(-1, self.kind.block).cpu().numpy()
        if self.kind.sub_scales is None:
            return Parts(whole, scales.half().view(-1).cpu().numpy())
        block_scales = self.block_scale.half().view(-1).cpu().numpy()
        steps = self._scale_steps().to(torch.int8)[..., 0].cpu().numpy()
        if not self.kind.has_mins:
            return Parts(whole, block_scales, steps)
        block_mins = self.block_min.half().view(-1).cpu().numpy()
        return Parts(whole, block_scales, steps, block_mins, self._min_steps().to(torch.int8)[..., 0].cpu().numpy())


class LearntVector(torch.nn.Module):
    """A norm or a bias, which a file holds in float32. shift: by which part of itself each number has moved."""

    start: torch.Tensor

    def __init__(self, vector: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("start", vector.detach().clone(), persistent=False)
        self.shift = torch.nn.Parameter(torch.zeros_like(self.start))

    @torch.no_grad()
    def weight(self) -> torch.Tensor:
        return self.start * (1 + self.shift)

    @torch.no_grad()
    def pull(self, gradient: torch.Tensor) -> None:
        self.shift.grad = gradient * self.start
