"""Which documents are held out for measuring, and how much of them training has seen all the same.

They are chosen after deduplication, and after boilerplate is cut out: then no held-out document is a near duplicate of
one in training.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.pipeline.hashing import write_json
from lilm.train.corpus.blocks import Block, Column, save_array
from lilm.train.corpus.ngrams import Hashes, code_points, ngram_hashes

GRAM = 30  # characters; about a clause in English and a sentence in Japanese
LEAST_LINE = 10
_BITS = 22  # of the filter that spares most look-ups
_MASK = np.uint64((1 << _BITS) - 1)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


def lots(seed: int, low: Column, high: Column) -> Column:
    """A number for each document, drawn from its content and the seed; the least ones are held out."""
    mixed = (low ^ (high * _MIX)) + np.uint64(seed * int(_MIX) % (1 << 64))  # numpy warns of single numbers that wrap
    for _ in range(2):
        mixed ^= mixed >> _HALF
        mixed *= _MIX
    drawn: Column = mixed ^ (mixed >> _HALF)
    return drawn


def least(drawn: Column, numbers: Column, count: int) -> tuple[Column, Column]:
    """The `count` least of `drawn`, and their `numbers`, sorted."""
    order = np.lexsort((numbers, drawn))[:count]
    return drawn[order], numbers[order]


@dataclass(frozen=True)
class Passages:
    """What is looked for in the training text: different 30-grams (sorted hashes) and lines of held-out documents."""

    grams: Hashes
    lines: tuple[str, ...]

    @classmethod
    def of(cls, texts: list[str]) -> "Passages":
        grams = [ngram_hashes(code_points(text), GRAM) for text in texts]
        lines = dict.fromkeys(line for text in texts for line in text.split("\n") if len(line) >= LEAST_LINE)
        return cls(np.unique(np.concatenate([*grams, np.empty(0, np.uint64)])), tuple(lines))

    def save(self, path: Path) -> None:
        write_json(path.with_suffix(".json"), self.lines)
        save_array(path, self.grams)

    @classmethod
    def load(cls, path: Path) -> "Passages":
        return cls(np.load(path), tuple(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))))


class Finder:
    """Marks the passages that stand in text: grams [30-grams], lines [lines]."""

    def __init__(self, passages: Passages) -> None:
        self.passages = passages
        self.grams = np.zeros(len(passages.grams), dtype=bool)
        self.lines = np.zeros(len(passages.lines), dtype=bool)
        self._places = {line: place for place, line in enumerate(passages.lines)}
        self._likely = np.zeros(1 << _BITS, dtype=bool)
        self._likely[(passages.grams & _MASK).astype(np.int64)] = True

    def look(self, text: str) -> None:
        for line in self._places.keys() & text.split("\n"):
            self.lines[self._places[line]] = True
        hashes = ngram_hashes(code_points(text), GRAM)
        hashes = hashes[self._likely[(hashes & _MASK).astype(np.int64)]]
        if len(hashes):
            at = np.minimum(np.searchsorted(self.passages.grams, hashes), len(self.passages.grams) - 1)
            self.grams[at[self.passages.grams[at] == hashes]] = True


def held_texts(blocks: list[Block], numbers: Column) -> list[str]:
    """Texts of some documents, block by block."""
    texts: list[str] = []
    ordered = np.sort(numbers)
    for block in blocks:
        rows = block.rows_among(ordered)
        if len(rows):
            whole = block.texts()
            texts += [whole[row] for row in rows.tolist()]
    return texts
