"""The memory table as people read it."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

MIB = 1 << 20


def memory_report(table: Mapping[str, Any]) -> Table:
    """MiB of wasm memory by model and variant, a column for each context length of any model; a dash where that is
    more than a browser gives, and nothing beyond what a model was trained with.

    table: stage.memory_table's.
    """
    models: Mapping[str, Any] = table["models"]
    variants: list[str] = table["variants"]
    rows = {(name, variant): model[variant] for name, model in models.items() for variant in variants}
    lengths = sorted({row["n_ctx"] for known in rows.values() for row in known})
    out = Table(title="Memory in the browser, MiB, by context length (tokens)", title_justify="left")
    out.add_column("model")
    out.add_column("variant")
    for length in lengths:
        out.add_column(f"{length:,}", justify="right")
    for (name, variant), known in rows.items():
        by_length = {row["n_ctx"]: "–" if "reason" in row else f"{row['initial_bytes'] / MIB:,.0f}" for row in known}
        out.add_row(name, variant, *(by_length.get(length, "") for length in lengths))
    return out
