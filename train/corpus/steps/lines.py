"""Boilerplate: the same line, or the same long sentence inside of lines, in many documents otherwise different.

Counted after deduplication, so that a line of a document with many copies is no boilerplate. Cuts are between
characters, at ends of lines and sentences.
"""

import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from xxhash import xxh3_64_intdigest

from lilm.recipe import DedupConfig
from lilm.train.corpus.steps.blocks import Block, save_array
from lilm.train.corpus.steps.duplicates import Copies, Run
from lilm.train.corpus.steps.exact import part_of

BYTES_PER_LINE = 60  # of a pass: hash, count, the sort's copies
SENTENCE_CHARS = 40  # shorter sentences are said by many people
_SENTENCE = re.compile(r"(?<=[。！？.!?])(?=[^。！？.!?」』）)\"'])")


@dataclass(frozen=True)
class LinesTask:
    """Lines and sentences of a block's documents but `gone` (sorted numbers). least: characters of a line."""

    block: Block
    gone: Path
    least: int
    output: Path


def lines_of(text: str, least: int) -> Iterator[tuple[str, int, list[str], list[int]]]:
    """Each line of the text with its hash, its sentences where it has several, and their hashes. A hash is 0 where
    what it is of is shorter than `least` (lines) or SENTENCE_CHARS (sentences)."""
    for line in text.split("\n"):
        sentences = _SENTENCE.split(line) if len(line) > SENTENCE_CHARS else [line]
        sentences = sentences if len(sentences) > 1 else []
        yield line, _hash(line, least), sentences, [_hash(sentence, SENTENCE_CHARS) for sentence in sentences]


def _hash(passage: str, least: int) -> int:
    bare = passage.strip()
    return xxh3_64_intdigest(bare.encode("utf-8", errors="surrogatepass")) if len(bare) >= least else 0


def without_frequent(text: str, frequent: Set[int], least: int) -> tuple[str, list[tuple[str, int]]]:
    """The text without frequent lines and sentences, and what was taken out, with its hash."""
    kept: list[str] = []
    gone: list[tuple[str, int]] = []
    for line, mark, sentences, marks in lines_of(text, least):
        if mark in frequent:
            gone.append((line, mark))
        elif not frequent.isdisjoint(marks):
            both = list(zip(sentences, marks, strict=True))
            gone += [one for one in both if one[1] in frequent]
            kept.append("".join(sentence for sentence, mark in both if mark not in frequent))
        else:
            kept.append(line)
    return ("\n".join(kept).strip(), gone) if gone else (text, gone)


def count_lines(task: LinesTask) -> None:
    """Write [2, passages]: hash and number of documents, sorted by hash."""
    if task.output.is_file():
        return
    gone = np.load(task.gone, mmap_mode="r")
    start, stop = np.searchsorted(gone, [task.block.first, task.block.first + task.block.rows]).tolist()
    skipped = set((gone[start:stop].astype(np.int64) - task.block.first).tolist())
    found = [np.empty(0, dtype=np.uint64)]
    for row, text in enumerate(task.block.texts()):
        if row not in skipped:
            marks = {mark for _, line, _, sentences in lines_of(text, task.least) for mark in (line, *sentences)}
            found.append(np.array(sorted(marks - {0}), dtype=np.uint64))
    hashes, counts = np.unique(np.concatenate(found), return_counts=True)
    save_array(task.output, np.stack([hashes, counts.astype(np.uint64)]))


@dataclass(frozen=True)
class FrequentTask:
    """Lines whose hash is in part `part` of `parts`."""

    counts: tuple[Path, ...]
    part: int
    parts: int
    documents: int
    output: Path


def frequent_passes(counts: list[Path], memory: int) -> int:
    lines = sum(int(np.load(path, mmap_mode="r").shape[1]) for path in counts)
    return max(1, -(-lines * BYTES_PER_LINE // memory))


def find_frequent(task: FrequentTask) -> None:
    """Write [2, lines]: hash and documents of the lines that stand in `documents` or more, sorted by hash."""
    if task.output.is_file():
        return
    parts = [np.empty((2, 0), dtype=np.uint64)]
    for path in task.counts:
        counted = np.load(path, mmap_mode="r")
        parts.append(counted[:, part_of(counted[0], task.parts) == task.part])
    hashes, documents = np.concatenate(parts, axis=1)
    order = np.argsort(hashes, kind="stable")
    hashes, documents = hashes[order], documents[order]
    distinct, starts = np.unique(hashes, return_index=True)
    totals = np.add.reduceat(documents, starts) if len(starts) else documents
    often = totals >= task.documents
    save_array(task.output, np.stack([distinct[often], totals[often]]))


def find_boilerplate(
    blocks: list[Block], copies: Copies, config: DedupConfig, memory: int, folder: Path, run: Run
) -> Path:
    """File of the lines that stand in `config.line_documents` documents or more, [2, lines]: hash and documents."""
    found = folder / "frequent.npy"
    if found.is_file():
        return found
    folder.mkdir(exist_ok=True)
    gone = folder / "gone.npy"
    save_array(gone, np.sort(np.concatenate([copies.exact[0], copies.near[0]])))
    counting = [LinesTask(block, gone, config.line_chars, folder / f"{block.name}.npy") for block in blocks]
    run("count lines", count_lines, counting)
    counts = [task.output for task in counting]
    parts = frequent_passes(counts, memory)
    finding = [
        FrequentTask(tuple(counts), part, parts, config.line_documents, folder / f"frequent-{part:05d}.npy")
        for part in range(parts)
    ]
    run("frequent lines", find_frequent, finding)
    whole = np.concatenate([np.load(task.output) for task in finding], axis=1)
    save_array(found, whole[:, np.argsort(whole[0])])
    return found
