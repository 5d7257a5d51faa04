"""SHA-256 of files and of JSON values, and JSON files that are whole or not there."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic

CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """Hash of a JSON value that does not depend on key order."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_json(path: Path, value: Any) -> None:
    """Writes JSON as `write_atomic` writes text."""
    write_atomic(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")
