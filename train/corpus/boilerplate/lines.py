"""Boilerplate: the same line, or the same long sentence inside of lines, in many documents otherwise different.

Counted after deduplication, so that a line of a document with many copies is no boilerplate. Cuts are between
characters, at ends of lines and sentences. (What keeps to neither: passages.py.)
"""

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from xxhash import xxh3_64_intdigest

from lilm.recipe import DedupConfig
from lilm.train.corpus.blocks import Block, Run, save_array
from lilm.train.corpus.boilerplate.frequent import count_hashes, save_frequent
from lilm.train.corpus.duplicates.find import Copies, without
from lilm.train.corpus.punctuation import ENDS

SENTENCE_CHARS = 40  # shorter sentences are said by many people
_SENTENCE = re.compile(rf"(?<=[{ENDS}])(?=[^{ENDS}」』）)\"'])")


@dataclass(frozen=True)
class LinesTask:
    """Lines and sentences of a block's documents that are in none of the files `copies` ([2, copies], see Copies).
    least: characters of a line."""

    block: Block
    copies: tuple[Path, ...]
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


def without_frequent(
    text: str, frequent: Set[int], least: int, runs: Sequence[tuple[int, int, int]] = ()
) -> tuple[str, list[tuple[str, int]], list[tuple[str, int]]]:
    """The text without frequent lines and sentences, what was taken out, with its hash, and what of the other lines
    was taken out, with its documents. runs: (from, to, documents) of the latter, ascending; a line of which they leave
    nothing goes whole."""
    kept: list[str] = []
    gone: list[tuple[str, int]] = []
    cut: dict[tuple[int, int, int], None] = {}
    at = 0
    for line, mark, sentences, marks in lines_of(text, least):
        here = [run for run in runs if run[0] <= at + len(line) and run[1] > at]
        if mark in frequent:
            gone.append((line, mark))
        elif here or not frequent.isdisjoint(marks):
            rest, start = [], at
            for sentence, one in zip(sentences, marks, strict=True) if sentences else ((line, 0),):
                if one in frequent:
                    gone.append((sentence, one))
                else:
                    rest.append(_outside(sentence, start, here))
                    cut |= dict.fromkeys(run for run in here if run[0] < start + len(sentence) and run[1] > start)
                start += len(sentence)
            left = "".join(rest)
            if left.strip() or not here:
                kept.append(left)
        else:
            kept.append(line)
        at += len(line) + 1
    if not gone and not cut:
        return text, gone, []
    return "\n".join(kept).strip(), gone, [(text[start:stop], documents) for start, stop, documents in cut]


def _outside(passage: str, at: int, runs: Sequence[tuple[int, int, int]]) -> str:
    """What of a passage, which begins at `at`, is in none of the runs."""
    rest, free = [], at
    for start, stop, _ in runs:
        if start < at + len(passage) and stop > at:
            rest.append(passage[free - at : max(start, at) - at])
            free = stop
    return "".join([*rest, passage[free - at :]])


def count_lines(task: LinesTask) -> None:
    """Write [2, passages]: hash and number of documents, sorted by hash."""
    if task.output.is_file():
        return
    rows = without(task.block, *(np.load(path, mmap_mode="r") for path in task.copies))
    texts, found = task.block.texts(), []
    for row in rows.tolist():
        marks = {mark for _, line, _, sentences in lines_of(texts[row], task.least) for mark in (line, *sentences)}
        found.append(np.array(sorted(marks - {0}), dtype=np.uint64))
    save_array(task.output, count_hashes(found))


def find_boilerplate(
    blocks: list[Block], copies: Copies, config: DedupConfig, memory: int, folder: Path, run: Run
) -> Path:
    """File of the lines that stand in `config.line_documents` documents or more, [2, lines]: hash and documents."""
    found = folder / "frequent.npy"
    if found.is_file():
        return found
    folder.mkdir(exist_ok=True)
    files = (copies.exact_file, copies.near_file)
    counting = [LinesTask(block, files, config.line_chars, counts_of(found, block)) for block in blocks]
    run("count lines", count_lines, counting)
    save_frequent([task.output for task in counting], config.line_documents, memory, found, run)
    return found


def counts_of(frequent: Path, block: Block) -> Path:
    """Returns the file with the counts of a block's lines."""
    return frequent.with_name(f"{block.name}.npy")
