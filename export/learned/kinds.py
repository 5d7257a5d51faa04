"""The block types of GGUF whose blocks can be learnt, and what numbers each can hold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A block type.

    block: weights in a block. group: weights that share a scale. lowest, highest: the range of codes. table: the value
    of each code, ascending; empty: a code is its own value. sub_scales: the least and the greatest scale of a group, in
    units of its block's scale; None: a block is one group. has_mins: each group has a min, which is subtracted.
    """

    name: str
    block: int
    group: int
    lowest: int
    highest: int
    table: tuple[int, ...] = ()
    sub_scales: tuple[int, int] | None = None
    has_mins: bool = False

    @property
    def groups(self) -> int:
        """Groups in a block."""
        return self.block // self.group

    @property
    def step(self) -> float:
        """The mean distance between the values of neighbouring codes, in units of the scale."""
        return (self.table[-1] - self.table[0]) / (len(self.table) - 1) if self.table else 1.0


# ggml-common.h, kvalues_iq4nl
NONLINEAR = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
SIX_BITS = (0, 63)
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("Q4_0", 32, 32, -8, 7),
        Kind("IQ4_NL", 32, 32, 0, 15, table=NONLINEAR),
        Kind("Q5_0", 32, 32, -16, 15),
        Kind("Q8_0", 32, 32, -128, 127),
        Kind("Q3_K", 256, 16, -4, 3, sub_scales=(-32, 31)),
        Kind("Q4_K", 256, 32, 0, 15, sub_scales=SIX_BITS, has_mins=True),
        Kind("Q5_K", 256, 32, 0, 31, sub_scales=SIX_BITS, has_mins=True),
        Kind("Q6_K", 256, 16, -32, 31, sub_scales=(-128, 127)),
    )
}
