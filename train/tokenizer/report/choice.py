"""Whether a run's number of pieces is one that `lilm tokenizer compare-sizes` found good."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.pipeline.artifact import read_manifest
from lilm.progress import clock

RESULT = Path("reports/compare-sizes.json")  # in a run folder


def choice_line(found: Mapping[str, Any], pieces: int) -> str:
    """found: as `compare_sizes` answers. pieces: the recipe's."""
    low, high = min(found["winners"]), max(found["winners"])
    won = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    where = "within" if low <= pieces <= high else "outside"
    line = f"tokenizer.pieces = {pieces:,} is {where} what won in compare-sizes ({won} pieces, {_each(found)})"
    tried = [pilot for pilot in found["pilots"] if pilot["pieces"] == pieces]
    if tried and where == "outside":
        line += f": it ended {tried[0]['difference']['bits']:.3f} bits per byte higher than {found['best']:,}"
    return line


def _each(found: Mapping[str, Any]) -> str:
    return f"{clock(found['seconds'])} each"


def run_choice(run_dir: Path) -> str:
    """The line for the run in `run_dir`, whose tokenizer is made; empty when it has no result, or that is of another
    corpus or base. Raises LilmError when the result cannot be read."""
    path = run_dir / RESULT
    if not path.is_file():
        return ""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for name, digest in found["inputs"].items():
            manifest = read_manifest(run_dir / name)
            if manifest is None or manifest.digest != digest:
                return ""
        made = json.loads((run_dir / "tokenizer" / "report.json").read_text(encoding="utf-8"))
        return choice_line(found, made["pieces_wanted"])
    except (ValueError, KeyError, TypeError) as error:
        raise LilmError(
            f"unreadable ({error!r})", where=str(path), remedy="delete it, or run `lilm tokenizer compare-sizes` again"
        ) from error
