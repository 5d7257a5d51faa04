"""Held-out documents cut into windows of tokens: short ones, and long ones of which only what is far in counts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lilm.export.bench.excerpts import shortened
from lilm.export.calibration import digest
from lilm.pipeline.hashing import sha256_json

Encode = Callable[[str], list[int]]
SHORT = 256  # tokens of a short window
FEWEST = 2  # documents: an interval needs them
LEAST = 8  # documents, where there are so many, also where fewer have the tokens asked for: an interval wants them
LONG_PART = 4  # of the tokens asked for in short windows, one in so many is asked for in long ones


@dataclass(frozen=True)
class Window:
    """ids: BOS, where there is one, and what follows. counted: for each id but the first whether its prediction counts.
    document: its number among Passages.documents."""

    ids: list[int]
    counted: NDArray[np.bool_]
    document: int


@dataclass(frozen=True)
class Passages:
    """One kind of text in one kind of window.

    text: a language, or "chat". context: "short", "long" or "whole". documents: SHA-256 of the whole documents. bytes:
    UTF-8 bytes that the counted tokens of each document stand for; None where tokens count that are no text.
    wanted: tokens asked for.
    """

    text: str
    context: str
    windows: list[Window]
    documents: tuple[str, ...]
    bytes: tuple[int, ...] | None
    wanted: int

    @property
    def name(self) -> str:
        return f"{self.text} {self.context}"

    @property
    def tokens(self) -> int:
        """How many count."""
        return sum(int(window.counted.sum()) for window in self.windows)

    @cached_property
    def sha256(self) -> str:
        """The hash of all that is measured."""
        windows = [[window.ids, window.document, np.flatnonzero(window.counted).tolist()] for window in self.windows]
        return sha256_json([windows, self.bytes])

    def as_json(self) -> dict[str, int | str]:
        sizes = {"documents": len(self.documents), "windows": len(self.windows), "tokens": self.tokens}
        hashes = {"sha256": self.sha256, "documents_sha256": sha256_json(sorted(self.documents))}
        return {**sizes, "missing_tokens": max(0, self.wanted - self.tokens), **hashes}


def ordered(texts: Iterable[str]) -> list[str]:
    """Each text once, in the order of its hash, which mixes the sources."""
    return sorted(set(texts), key=digest)


def short_passages(lang: str, texts: Sequence[str], encode: Encode, bos: int, wanted: int) -> Passages:
    """Windows of SHORT tokens, from the beginnings of as many documents as there are: of none is more taken than
    needed. texts: as `ordered` has them."""
    step = SHORT - len(_opening(bos))
    lengths = [len(encode(text)) for text in texts]
    steps = 1
    while sum(min(length, steps * step) for length in lengths) < wanted and steps * step < max(lengths, default=0):
        steps += 1
    windows: list[Window] = []
    documents: list[str] = []
    sizes: list[int] = []
    left = wanted
    for text in texts:
        if left <= 0 and len(documents) >= LEAST:
            break
        part, ids = shortened(text, encode, steps * step)
        if len(_opening(bos)) + len(ids) < 2:
            continue
        for start in range(0, len(ids), step):
            window = [*_opening(bos), *ids[start : start + step]]
            if len(window) > 1:
                windows.append(Window(window, np.ones(len(window) - 1, np.bool_), len(documents)))
                left -= len(window) - 1
        documents.append(digest(text))
        sizes.append(len(part.encode()))
    return Passages(lang, "short", windows, tuple(documents), tuple(sizes), wanted)


def long_passages(lang: str, texts: Sequence[str], encode: Encode, bos: int, n_ctx: int, wanted: int) -> Passages:
    """The first window of n_ctx tokens of each document that is longer than a short window. Only tokens count that have
    more before them than a short window holds."""
    windows: list[Window] = []
    documents: list[str] = []
    left = wanted
    for text in texts:
        if left <= 0 and len(documents) >= LEAST:
            break
        ids = [*_opening(bos), *shortened(text, encode, n_ctx)[1]][:n_ctx]
        counted = np.arange(1, len(ids)) >= SHORT
        if counted.any():
            windows.append(Window(ids, counted, len(documents)))
            documents.append(digest(text))
            left -= int(counted.sum())
    return Passages(lang, "long", windows, tuple(documents), None, wanted)


def _opening(bos: int) -> list[int]:
    return [bos] if bos >= 0 else []
