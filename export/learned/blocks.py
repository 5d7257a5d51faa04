"""A quantised tensor taken apart into what its blocks say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lilm.export.learned.kinds import Kind

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Parts:
    """The n blocks of a tensor, in the order of its rows.

    codes: int8 [n, block], what the scale multiplies; in a kind with a table, an index into it.
    scales: float16 [n], one per block.
    sub_scales: int8 [n, groups], the groups' scales in units of their block's; K-quants only.
    mins, sub_mins: as scales and sub_scales, of the min that is subtracted from the product; Q4_K and Q5_K only.
    """

    codes: NDArray[np.int8]
    scales: NDArray[np.float16]
    sub_scales: NDArray[np.int8] | None = None
    mins: NDArray[np.float16] | None = None
    sub_mins: NDArray[np.int8] | None = None

    def weights(self, kind: Kind) -> NDArray[np.float32]:
        """Returns the weights, float32 [n, block], in llama.cpp's order of operations: every bit is as there."""
        values = self.codes if not kind.table else np.array(kind.table, np.float32)[self.codes]
        grouped = values.astype(np.float32).reshape(len(values), kind.groups, kind.group)
        found = _grouped(self.scales, self.sub_scales) * grouped
        if self.mins is not None:
            found = found - _grouped(self.mins, self.sub_mins)
        return found.reshape(len(values), kind.block)


def _grouped(scales: NDArray[np.float16], steps: NDArray[np.int8] | None) -> NDArray[np.float32]:
    """What each group's numbers are multiplied with, [n, groups or 1, 1]."""
    wide = scales.astype(np.float32)[:, None]
    return (wide if steps is None else wide * steps.astype(np.float32))[:, :, None]
