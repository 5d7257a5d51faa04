"""Which quantised types are slow where: those without kernels of their own, by type_speed.toml."""

import tomllib
from importlib.resources import files
from typing import Any

from lilm.fit.model import Model

NOT_JUDGED = ("F16", "F32")


MUCH_USED = 0.1  # of the matrices' bytes, from which on a type is worth a word


def fast_types() -> dict[str, tuple[str, ...]]:
    """Returns the types by backend: arm (an app on a phone) and browser."""
    rows: dict[str, Any] = tomllib.loads((files("lilm.fit.known") / "type_speed.toml").read_text(encoding="utf-8"))
    return {backend: tuple(row["fast"]) for backend, row in rows.items()}


def slow_types(model: Model, backend: str) -> list[str]:
    """The types that make the file slow there, the most used first: none when at most half of its matrices' bytes are
    of such types."""
    fast = (*fast_types()[backend], *NOT_JUDGED)
    slow = {name: size for name, size in model.matrix_bytes.items() if name not in fast}
    return list(slow) if 2 * sum(slow.values()) > sum(model.matrix_bytes.values()) else []


def much_used(model: Model) -> list[str]:
    """The quantised types that have MUCH_USED of its matrices' bytes, the most used first."""
    least = MUCH_USED * sum(model.matrix_bytes.values())
    return [name for name, size in model.matrix_bytes.items() if size >= least and name not in NOT_JUDGED]
