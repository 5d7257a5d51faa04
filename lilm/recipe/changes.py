"""Other values for a recipe's keys, by dotted name."""

from pathlib import Path
from typing import Any

from lilm.errors import LilmError


def lay(table: dict[str, Any], key: str, value: Any) -> None:
    """Lay `value` at a dotted key; a number in it is a place in an array, tables that are not there are made.

    Raises LilmError where there is no such place, or the key goes through a value. Whether a recipe has the key is not
    looked at here.
    """
    inner: Any = table
    *way, last = key.split(".")
    for part in way:
        at = _at(inner, part, key)
        inner = inner[at] if isinstance(inner, list) else inner.setdefault(at, {})
    inner[_at(inner, last, key)] = str(value) if isinstance(value, Path) else value


def _at(inner: Any, part: str, key: str) -> Any:
    """`part` as an index into `inner`."""
    where = f"changes: {key}"
    if isinstance(inner, list):
        if not part.isdecimal() or int(part) >= len(inner):
            raise LilmError(f"no place {part} among {len(inner)}", where=where, remedy="count from 0")
        return int(part)
    if not isinstance(inner, dict):
        raise LilmError(f"{part} would be inside a value", where=where, remedy="correct that key")
    return part
