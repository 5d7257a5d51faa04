"""What is measured once: a JSON file that knows what it was measured of, so that a run that was stopped goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lilm.pipeline.hashing import sha256_json, write_json


def read_kept(path: Path, of: Any) -> Any:
    """The value that `keep` wrote at `path` for the same `of`; None when there is none that can be read, or it was of
    something else."""
    try:
        found = json.loads(path.read_bytes())
        return found["value"] if found["fingerprint"] == sha256_json(of) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def keep(path: Path, of: Any, value: Any) -> None:
    """of: JSON of all that decides the value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"fingerprint": sha256_json(of), "value": value})


def kept(path: Path, of: Any, make: Callable[[], Any]) -> Any:
    """The kept value, or what `make` answers, which is kept then."""
    found = read_kept(path, of)
    if found is None:
        found = make()
        keep(path, of, found)
    return found
