"""Whether a measurement is of the files that a run has now."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lilm.export.stage import FULL, gguf_name
from lilm.gguf_parts import whole_stem
from lilm.pipeline.artifact import Manifest


def is_of_export(rows: Iterable[Any], export: Manifest) -> bool:
    """Whether the rows of `lilm bench quant`'s report are of all quantised files of this very export, and no others."""
    return _measured(rows) == _exported(export)


def _measured(rows: Iterable[Any]) -> set[str]:
    """The hashes of the run's own quantised files, or of their parts."""
    own = [row for row in rows if isinstance(row, dict) and not row.get("control") and row.get("quant") != FULL]
    parts = [row.get("parts_sha256") for row in own]
    found = [some if isinstance(some, list) else [row.get("sha256")] for row, some in zip(own, parts, strict=True)]
    return {str(sha256) for some in found for sha256 in some}


def _exported(export: Manifest) -> set[str]:
    full = Path(gguf_name(FULL)).stem
    return {
        entry["sha256"]
        for name, entry in export.outputs.items()
        if Path(name).match("model-*.gguf") and whole_stem(Path(name)) != full
    }
