"""How a source is divided: a huge file into ranges, many small ones into bundles."""

from itertools import pairwise
from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.base import Damaged, Shard
from lilm.train.corpus.sources.files import is_compressed, matching_files, readable
from lilm.train.corpus.sources.registry import MADE


def shards(source: SourceConfig) -> list[Shard]:
    """The shards of a source in a fixed order, which depends on its files only.

    One shard: a source that has a limit, as its documents are counted from the first; and one that has no files.
    Raises LilmError when no file matches.
    """
    if source.format in MADE:
        return [Shard(source.name, source.name, source.limit or 1)]
    sizes = {path: path.stat().st_size for path in matching_files(source)}
    if source.limit:
        return [_bundle(source, sizes)]
    found: list[Shard] = []
    bundle: dict[Path, int] = {}
    filled = 0
    for path, size in sizes.items():
        if bundle and filled + size > base.BUNDLE:
            found.append(_bundle(source, bundle))
            bundle, filled = {}, 0
        if size > base.SPLIT and (edges := _edges(path, size, source)):
            found += _ranges(source, path, size, edges)
        else:
            bundle[path] = size
            filled += size
    return [*found, _bundle(source, bundle)] if bundle else found


def _bundle(source: SourceConfig, sizes: dict[Path, int]) -> Shard:
    paths = list(sizes)
    label = paths[0].name if len(paths) == 1 else f"{paths[0].name} … {paths[-1].name} ({len(paths)} files)"
    return Shard(source.name, label, max(1, sum(sizes.values())), tuple(map(str, paths)))


def _ranges(source: SourceConfig, path: Path, size: int, edges: list[int]) -> list[Shard]:
    """Shards between the edges; the last one has no end, so that the whole file is read whatever happened to it."""
    count = len(edges) - 1
    return [
        Shard(
            source.name,
            f"{path.name} {number}/{count}",
            size // count,
            (str(path),),
            begin,
            end if number < count else None,
        )
        for number, (begin, end) in enumerate(pairwise(edges), start=1)
    ]


def _edges(path: Path, size: int, source: SourceConfig) -> list[int]:
    """Where to cut the file, in bytes or rows; nothing when it cannot be cut, or is damaged: `read` says how."""
    total = 0 if is_compressed(path) else _length(path, size, source)
    if not total:
        return []
    step = max(1, total * base.SPLIT // size)
    return [*range(0, total, step), total]


def _length(path: Path, size: int, source: SourceConfig) -> int:
    """Returns the file's length in what it is cut by; 0 when it cannot be cut."""
    if source.format == "jsonl":
        return size
    with readable(path):
        if source.format == "text":
            from lilm.train.corpus.sources.text import can_be_cut

            return size if can_be_cut(path, source) else 0
        if source.format == "parquet":
            from lilm.train.corpus.sources.parquet import rows

            try:
                return rows(path)
            except Damaged:
                return 0
    return 0
