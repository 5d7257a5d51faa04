"""How much memory wasm has. runtime/core.mjs is told, by memory.json or by who runs it."""

from lilm.fit.browser import PAGE, WASM32
from lilm.wasm.variants import is_memory64

MEMORY64 = 16 << 30  # bytes that browsers give to 64-bit memory


def linked_bytes(variant: str) -> int:
    """What a build of this variant is linked for at most."""
    return MEMORY64 if is_memory64(variant) else WASM32


def usable_bytes(variant: str) -> int:
    """What a model may have in it: some browsers refuse the last page."""
    return linked_bytes(variant) - PAGE
