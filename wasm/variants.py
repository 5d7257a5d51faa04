"""The builds of the core that there are, by name."""

from collections.abc import Iterable
from typing import Literal

from lilm.wasm.toolchain import Toolchain

Variant = Literal[
    "threads", "single", "threads-memory64", "threads-relaxed", "single-relaxed", "threads-memory64-relaxed"
]
MEMORY64: Variant = "threads-memory64"
RELAXED: dict[Variant, Variant] = {
    "threads": "threads-relaxed",
    "single": "single-relaxed",
    "threads-memory64": "threads-memory64-relaxed",
}


def is_threaded(variant: str) -> bool:
    return variant.startswith("threads")


def is_relaxed(variant: str) -> bool:
    return variant.endswith("-relaxed")


def is_memory64(variant: str) -> bool:
    return "-memory64" in variant


def with_relaxed(variants: Iterable[Variant], toolchain: Toolchain) -> tuple[Variant, ...]:
    """`variants` and, where this compiler can build it, each one's build with relaxed SIMD."""
    plain = tuple(variants)
    return plain + tuple(RELAXED[variant] for variant in plain if toolchain.relaxed_simd)
