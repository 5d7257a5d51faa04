"""Keeps measurements on the disk as they are made: after a kill, the next try goes on from them."""

import json
from collections.abc import Sequence
from pathlib import Path

from lilm.export.budget.table import Row
from lilm.pipeline.hashing import write_json

IMATRIX, SENSITIVITY = "imatrix.gguf", "sensitivity.json"


class Kept:
    """The measurements in `folder`.

    made_from: a hash of all that they depend on. is_ours: the folder held measurements with the same hash, and `rows`
    has them; otherwise both files were deleted. imatrix: where the importance matrix belongs.
    """

    def __init__(self, folder: Path, made_from: str) -> None:
        self.imatrix, self._table = folder / IMATRIX, folder / SENSITIVITY
        self._made_from = made_from
        self.rows: list[Row] = []
        table = json.loads(self._table.read_text(encoding="utf-8")) if self._table.is_file() else {}
        self.is_ours = table.get("made_from") == made_from
        if self.is_ours:
            self.rows = [Row.of(one) for one in table["rows"]]
        else:
            folder.mkdir(exist_ok=True)
            for old in (self._table, self.imatrix):
                old.unlink(missing_ok=True)

    def add(self, rows: Sequence[Row]) -> None:
        """Append `rows`, and write all rows to the disk."""
        self.rows += rows
        write_json(self._table, {"made_from": self._made_from, "rows": [row.as_json() for row in self.rows]})
