"""What each type costs in time where a model is computed: type_times.json, which `lilm bench types --record` writes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from lilm.pipeline.hashing import write_json

FILE = "type_times.json"
MUCH = 1.5  # times Q4_0's time, from which on a type is called slow
BACKENDS = {"native": "on a CPU like the one measured", "browser": "in a browser"}


@dataclass(frozen=True)
class TypeTime:
    """Seconds per weight by those of Q4_0, measured beside it. decode: one column, as for each token of an answer.
    prefill: many at a time, as for a prompt's."""

    decode: float
    prefill: float

    @property
    def is_slow(self) -> bool:
        return max(self.decode, self.prefill) >= MUCH

    @property
    def words(self) -> str:
        """What to say of it.

        >>> TypeTime(1.94, 2.31).words
        '1.9 times the time of Q4_0, 2.3 times for a prompt'
        """
        return f"{self.decode:.1f} times the time of Q4_0, {self.prefill:.1f} times for a prompt"


@dataclass(frozen=True)
class Measured:
    """source: by what, on which CPU and when. types: by their names; what nobody measured is not there."""

    source: str
    types: Mapping[str, TypeTime]

    def slow(self, names: Iterable[str]) -> dict[str, TypeTime]:
        """Those of `names` that take MUCH more time than Q4_0 there, in their order."""
        return {name: self.types[name] for name in names if name in self.types and self.types[name].is_slow}


@cache
def known_times() -> dict[str, Measured]:
    """Of each backend of BACKENDS that was measured. Nobody has measured phones: what is repacked there,
    type_speed.toml says."""
    found: dict[str, Any] = json.loads((files("lilm.fit.known") / FILE).read_text(encoding="utf-8"))
    return {
        backend: Measured(one["source"], {name: TypeTime(**times) for name, times in one["types"].items()})
        for backend, one in found.items()
    }


def record_times(found: Mapping[str, Measured], folder: Path | None = None) -> Path:
    """Write them over those of the same backends. folder: of the file, LiLM's own when not given. Returns the file."""
    path = (folder or Path(str(files("lilm.fit.known")))) / FILE
    before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    write_json(path, before | {backend: asdict(one) for backend, one in found.items()})
    known_times.cache_clear()
    return path


def slow_words(names: Iterable[str], backend: str) -> list[str]:
    """What is to be said of those of `names` that are slow there: "Q3_K: 1.9 times the time of Q4_0, …"."""
    measured = known_times().get(backend)
    return [f"{name}: {time.words}" for name, time in measured.slow(names).items()] if measured is not None else []
