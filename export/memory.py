"""Memory, asked for before it is needed: else the system kills whoever takes too much, and says nothing."""

import psutil

from lilm.devices import gpu_memory
from lilm.errors import LilmError
from lilm.llama.shape import Shape
from lilm.recipe import ExportConfig

PROCESS = 0.8e9  # with torch and transformers loaded


def free_memory() -> int:
    """Bytes that the GPU has free, where there is one, else the machine."""
    return gpu_memory() or int(psutil.virtual_memory().available)


def require_memory(needed: float, what: str, shape: Shape, where: str, remedy: str) -> None:
    """Raises LilmError when fewer bytes are free. where: the recipe's key that wants it."""
    free = free_memory()
    if needed > free:
        raise LilmError(
            f"{what} wants about {needed / 1e9:.1f} GB of memory for {shape.parameters / 1e6:,.0f}M parameters, and "
            f"{free / 1e9:.1f} GB are free",
            where=where,
            remedy=remedy,
        )


def require_measuring(shape: Shape, config: ExportConfig) -> None:
    """Raises LilmError when the types of a budget cannot be measured here."""
    where, remedy = f"export.{config.budget_key}", "use a machine with more memory, or leave it out"
    require_memory(_measuring(shape, config), "measuring the types of a budget", shape, where, remedy)


def _measuring(shape: Shape, config: ExportConfig) -> float:
    """The model in float32, its largest matrix four times while it is rounded, the states before each layer, and two
    sets of logits."""
    tokens = config.sensitivity_tokens
    largest = max(shape.vocab, shape.intermediate) * shape.hidden
    numbers = shape.parameters + 4 * largest + tokens * shape.hidden * shape.layers + tokens * shape.vocab
    return PROCESS + 4.0 * numbers
