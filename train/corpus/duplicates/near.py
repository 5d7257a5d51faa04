"""Near duplicates over all blocks: buckets of candidates, compared, joined to clusters. What is needed of all documents
at once lies in files."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lilm.pipeline.hashing import write_json
from lilm.train.corpus import _native
from lilm.train.corpus.blocks import HASH_HIGH, HASH_LOW, RANK, Blocks, Run
from lilm.train.corpus.duplicates.buckets import BandTask, band_passes, find_buckets, first_ranges
from lilm.train.corpus.duplicates.compare import BYTES_PER_BUCKET, BYTES_PER_MEMBER, CompareTask, compare
from lilm.train.corpus.duplicates.minhash import shape
from lilm.train.corpus.duplicates.suspects import mark_suspects, suspects_tasks, write_suspects
from lilm.train.corpus.records import Sorter, chunks, group_firsts, read_records, save_columns


def save_near(blocks: Blocks, exact: Path, threshold: float, memory: int, path: Path, run: Run) -> None:
    """Write [2, copies]: numbers of the documents that go, sorted, and of the one kept of each cluster: the best
    ranked. Documents of earlier blocks do not go. exact: of the copies that are left out, [2, copies]."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    pairs = _pairs(blocks, exact, threshold, memory, folder, run)
    parents = _joined(blocks, pairs, folder / "parents")
    with Sorter(folder / "clusters", 5, memory // 2) as members, Sorter(folder / "copies", 2, memory // 2) as copies:
        for block in blocks.all:
            roots = _native.set_roots(parents, block.first, block.first + block.rows)
            rows = np.flatnonzero(roots)
            ranks = np.zeros(len(rows), dtype=np.uint64) if block.earlier else block.key(RANK)[rows]
            numbers = block.numbers(rows)
            keys = [roots[rows], ranks, block.key(HASH_LOW)[rows], block.key(HASH_HIGH)[rows], numbers]
            members.add(np.stack(keys, axis=1))
        records = members.sorted()
        for start, best in group_firsts(records, 1):
            rows = np.flatnonzero(best != np.arange(start, start + len(best)))
            found = np.stack([records[start + rows, -1], records[best[rows], -1]], axis=1)
            copies.add(found[~blocks.earlier(found[:, 0])])
        save_columns(path, [copies.sorted().T])
    shutil.rmtree(folder)


def _pairs(blocks: Blocks, exact: Path, threshold: float, memory: int, folder: Path, run: Run) -> list[Path]:
    """Files of the verified pairs; all that led to them is gone."""
    done = folder / "compared.json"
    if not done.is_file():
        parts = band_passes(blocks.documents, memory)
        bands = tuple(
            BandTask(blocks.all, exact, band, part, parts, memory, folder)
            for band in range(shape(threshold)[0])
            for part in range(parts)
        )
        run("alike texts", find_buckets, bands)
        marks = folder / "marks"
        mark_suspects([band.members for band in bands], blocks.documents, marks)
        texts = suspects_tasks(blocks.all, marks, folder)
        run("unpack suspects", write_suspects, texts)
        half = memory // 2  # for heads, and for members
        ranges = first_ranges(bands, blocks.documents, half // BYTES_PER_BUCKET, half // BYTES_PER_MEMBER)
        checks = [
            CompareTask(bands, texts, first, last, threshold, memory, folder / f"{number:05d}.pairs")
            for number, (first, last) in enumerate(ranges)
        ]
        run("compare suspects", compare, checks)
        write_json(done, [task.output.name for task in checks])
    names: list[str] = json.loads(done.read_text(encoding="utf-8"))
    for path in folder.iterdir():
        if path.name not in {*names, done.name}:
            path.unlink()
    return [folder / name for name in names]


def _joined(blocks: Blocks, pairs: Sequence[Path], path: Path) -> "np.ndarray[tuple[int], np.dtype[np.uint64]]":
    """The sets that the pairs make of documents, see native/union_find.h; in a file that takes room only for those
    that are in one."""
    with path.open("wb") as file:
        file.truncate(8 * max(1, blocks.documents))
    parents = np.memmap(path, dtype=np.uint64, mode="r+")
    for one in pairs:
        for some in chunks(read_records(one, 2)):
            _native.join_pairs(parents, np.ascontiguousarray(some))
    return parents
