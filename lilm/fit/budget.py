"""How large the file of an export's budget may be."""

from typing import TYPE_CHECKING

from lilm.fit.device import Place
from lilm.fit.needs import room_for_weights
from lilm.llama.shape import Shape

if TYPE_CHECKING:
    from lilm.recipe import ExportConfig

WIDEST_BYTES = 4  # of a weight in a file


def target_bytes(config: "ExportConfig", shape: Shape, place: Place | None) -> int:
    """Bytes at most, 0 without a budget. place: of config.device, None where there is none. Weights take no more memory
    than their file has bytes, so what is left for them is what the file may have."""
    if place is None:
        if config.device:
            raise ValueError(f"the place of {config.device} is missing")
        return config.target_bytes(shape.parameters)
    return min(room_for_weights(place, shape), WIDEST_BYTES * shape.parameters)
