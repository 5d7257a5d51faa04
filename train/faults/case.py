"""One spoilt input, what came of it, and how both are made again from a seed and a number."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from lilm.train.faults.kinds import Kind
from lilm.train.faults.seeds import PACK
from lilm.train.faults.spoil_shaped import SPOILERS

What = Literal["read", "refused", "traceback", "hang", "over_memory", "half_written"]


@dataclass(frozen=True)
class Case:
    """seed: folder of a whole input. file: of which data stands in it for this one; None: the whole input itself."""

    kind: str
    seed: Path
    file: str | None = None
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Outcome:
    """signature: the same for faults of one place. text: the line or the traceback."""

    what: What
    signature: str = ""
    text: str = ""

    @property
    def is_fault(self) -> bool:
        return self.what not in ("read", "refused")


def spoilt_case(kind: Kind, folders: Sequence[Path], seed: int, number: int) -> Case:
    """The case of that number; the same for the same seeds. folders: of the kind's seeds."""
    rng = random.Random(f"{seed}/{kind.name}/{number}")
    found = [
        (folder, path.relative_to(folder).as_posix(), way)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        for pattern, way in kind.spoilers.items()
        if path.is_file() and fnmatch(path.name, pattern)
    ]
    folder, file, way = rng.choice(found)
    return Case(kind.name, folder, file, _spoilt((folder / file).read_bytes(), file, way, rng))


def _spoilt(data: bytes, file: str, way: str, rng: random.Random) -> bytes:
    """A compressed file is spoilt inside or outside."""
    ending = file.rpartition(".")[2]
    if ending in PACK:
        if rng.random() < 0.5:
            return SPOILERS["bytes"](data, rng)
        return PACK[ending](SPOILERS[way](_unpacked(ending, data), rng))
    data = SPOILERS[way](data, rng)
    return SPOILERS["bytes"](data, rng) if rng.random() < 0.1 else data


def _unpacked(ending: str, data: bytes) -> bytes:
    import bz2
    import gzip
    import lzma

    import zstandard

    unpack = {"gz": gzip.decompress, "bz2": bz2.decompress, "xz": lzma.decompress}
    return zstandard.ZstdDecompressor().decompress(data) if ending == "zst" else unpack[ending](data)
