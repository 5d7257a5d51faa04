"""The list of a model's chunks by which a browser checks each part of a download when it arrives."""

import hashlib
from pathlib import Path
from typing import Any

CHUNK_BYTES = 4 << 20  # small enough that a lost connection costs little, large enough that the list stays short


def chunk_list(path: Path, chunk_bytes: int = CHUNK_BYTES) -> dict[str, Any]:
    """What runtime/download.mjs calls a ChunkList: size and SHA-256 of the file and of each `chunk_bytes` of it."""
    whole = hashlib.sha256()
    chunks = []
    with path.open("rb") as file:
        while chunk := file.read(chunk_bytes):
            whole.update(chunk)
            chunks.append(hashlib.sha256(chunk).hexdigest())
    return {
        "bytes": path.stat().st_size,
        "sha256": whole.hexdigest(),
        "chunk_bytes": chunk_bytes,
        "chunks": chunks,
    }
