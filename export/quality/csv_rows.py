"""Rows of a CSV file, each with the place that an error names."""

import csv
from collections.abc import Iterator
from pathlib import Path

from lilm.errors import LilmError


def csv_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """(path:line at which the row ends, its cells). Raises LilmError for what is not UTF-8, or no CSV."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True, skipinitialspace=True)
            for row in rows:
                yield f"{path}:{rows.line_num}", row
    except UnicodeDecodeError as error:
        raise LilmError("not UTF-8", where=str(path), remedy="save it as UTF-8") from error
    except csv.Error as error:
        raise LilmError(f"not CSV ({error})", where=f"{path}:{rows.line_num}", remedy="mend that line") from error
