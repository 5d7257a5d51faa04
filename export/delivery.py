"""A finished file as it is delivered: whole, or in parts; and what it was when it was whole."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.export.shards import split_file
from lilm.pipeline.hashing import sha256_file
from lilm.progress import Reporter
from lilm.report.units import size


@dataclass(frozen=True)
class Delivered:
    """name, bytes, sha256: of the whole file. files: what lies there now; the first is what the model is opened by."""

    name: str
    bytes: int
    sha256: str
    files: tuple[Path, ...]

    def as_json(self) -> dict[str, Any]:
        """Returns name, size and hash of each part, of a model in parts."""
        whole = {"name": self.name, "bytes": self.bytes, "sha256": self.sha256}
        if len(self.files) == 1:
            return whole
        return {**whole, "parts": [described(path) for path in self.files]}


def described(path: Path) -> dict[str, Any]:
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def deliver(path: Path, shard_mb: float, reporter: Reporter) -> Delivered:
    """Split the file at `path` where it has more than `shard_mb` million bytes; 0: never."""
    whole = described(path)
    most = int(shard_mb * 1e6)
    files = split_file(path, most) if most else (path,)
    for part in files:
        if most and part.stat().st_size > most:
            reporter.say(f"  {part.name} has {size(part.stat().st_size)}: a tensor is not divided")
    return Delivered(whole["name"], whole["bytes"], whole["sha256"], files)
