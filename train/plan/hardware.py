"""Machines by name: what they can do at most, and how much of that training has been seen to use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lilm.errors import LilmError
from lilm.llama.peak import PEAK_FLOPS

GIB = 2**30
FLOAT32_SLOWER = 10.0  # than bfloat16 on a GPU: measurements are exact, without tensor cores


@dataclass(frozen=True)
class Hardware:
    """One device, and the machine around it.

    peak: FLOP/s of dense matrix products in the type that training uses (bfloat16 with float32 sums; float32 on
    A64FX). utilisation: share of `peak` that executed FLOPs reach, as lilm.llama.flops counts them; published ones
    count attention's whole window, and at 2,048 tokens a Llama of 1B has 0.92 or 0.93 of theirs. memory, host_memory:
    bytes of one device, and of the machine for each device. link: bytes/s that a device exchanges with the others.
    source: where the utilisation is from; kind: "published" in so many words, "fitted" to one published speed,
    "assumed", or "measured" here.
    bfloat16: whether it has such products; without, training is in float32. reached: FLOP/s by what learns, where that
    was measured apart; reading: those while bits per byte are measured, in float32, 0 where they were not;
    token_seconds: of one token that is written for a sample. writing: bytes/s of a checkpoint, hash included.
    """

    name: str
    title: str
    peak: float
    utilisation: float
    memory: float
    host_memory: float
    link: float
    source: str
    kind: str
    is_cpu: bool = False
    bfloat16: bool = True
    reached: Mapping[str, float] = field(default_factory=dict)
    reading: float = 0.0
    token_seconds: float = 0.03
    writing: float = 500e6

    @property
    def forward(self) -> float:
        """FLOP/s while bits per byte are measured."""
        return self.reading or self.peak * self.utilisation / (FLOAT32_SLOWER if self.bfloat16 else 1.0)


HARDWARE = {
    one.name: one
    for one in (
        Hardware(
            "rtx3090",
            "GeForce RTX 3090, 24 GiB",
            peak=PEAK_FLOPS["RTX 3090"],
            utilisation=0.36,
            memory=24 * GIB,
            host_memory=32 * GIB,
            link=10e9,  # PCIe 4.0 through the host; GeForce drivers have no peer-to-peer
            source="the 2023 run: 5.8k tokens/s on two (50B tokens in 100 days) with LoRA r=256 and checkpointing",
            kind="fitted",
        ),
        Hardware(
            "a100-40g",
            "A100 40 GB",
            peak=PEAK_FLOPS["A100"],
            utilisation=0.518,
            memory=40 * GIB,
            host_memory=128 * GIB,
            link=100e9,  # between machines of eight the slower way counts: 8 × 200 Gb/s InfiniBand at best, shared
            source="TinyLlama's README: 56% without checkpointing on A100-40G, counting the whole window",
            kind="published",
        ),
        Hardware(
            "h100",
            "H100 SXM 80 GB",
            peak=PEAK_FLOPS["H100"],
            utilisation=0.39,
            memory=80 * GIB,
            host_memory=128 * GIB,
            link=300e9,
            source="MosaicML llm-foundry's table: 41.8% for a 1B model in bf16 on H100, counting the whole window",
            kind="published",
        ),
        Hardware(
            "h200",
            "H200 SXM 141 GB",
            peak=PEAK_FLOPS["H200"],  # the same chip as H100, with more memory
            utilisation=0.39,
            memory=141e9,
            host_memory=128 * GIB,
            link=300e9,
            source="as H100: nothing is published for a model of 1B on H200",
            kind="assumed",
        ),
        Hardware(
            "fugaku",
            "Fugaku node, A64FX",
            peak=PEAK_FLOPS["A64FX"],
            utilisation=0.14,
            memory=32 * GIB,
            host_memory=32 * GIB,
            link=6.8e9,  # one Tofu-D link
            source="a guess: Fugaku-LLM's reports give no speed of a node",
            kind="assumed",
            is_cpu=True,
            bfloat16=False,
        ),
    )
}
ALIASES = {"a100": "a100-40g", "3090": "rtx3090", "a64fx": "fugaku"}
_COUNTED = re.compile(r"(.+)[x×*]\s*(\d+)")


def named_hardware(text: str) -> tuple[Hardware, int]:
    """(machine, how many) of `rtx3090x2`, `a100-40g×16`, `h200`. Raises LilmError for a name that is not known.

    >>> machine, count = named_hardware("RTX3090x2")
    >>> machine.title, count
    ('GeForce RTX 3090, 24 GiB', 2)
    """
    lower = text.strip().lower()
    match = None if lower in HARDWARE or lower in ALIASES else _COUNTED.fullmatch(lower)
    name, count = (match[1].strip(), int(match[2])) if match else (lower, 1)
    name = ALIASES.get(name, name)
    if name not in HARDWARE or count < 1:
        names = ", ".join(HARDWARE)
        raise LilmError(
            f"no hardware {text!r}", where="lilm plan", remedy=f"use here or one of {names}; several: rtx3090x2"
        )
    return HARDWARE[name], count
