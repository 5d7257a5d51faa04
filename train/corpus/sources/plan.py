"""How a source is divided: a huge file into ranges, many small ones into bundles."""

from itertools import pairwise
from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.base import Damaged, Shard
from lilm.train.corpus.sources.detect import detect
from lilm.train.corpus.sources.files import is_compressed, matching_files, readable
from lilm.train.corpus.sources.registry import AUTO, MADE, as_format


def shards(source: SourceConfig) -> list[Shard]:
    """The shards of a source in a fixed order, which depends on its files only.

    One shard: a source that has a limit, as its documents are counted from the first; and one that has no files.
    Raises LilmError when no file matches.
    """
    if source.format in MADE:
        return [Shard(source.name, source.name, source.limit or 1)]
    sizes = {path: path.stat().st_size for path in matching_files(source)}
    formats = {path: _format(path) for path in sizes} if source.format == AUTO else {}
    if source.limit:
        return [_bundle(source, sizes, formats)]
    found: list[Shard] = []
    bundles: dict[str, dict[Path, int]] = {}  # by format
    filled: dict[str, int] = {}
    for path, size in sizes.items():
        known = as_format(source, formats.get(path, source.format))
        bundle = bundles.setdefault(known.format, {})
        if bundle and filled[known.format] + size > base.BUNDLE:
            found.append(_bundle(source, bundle, formats))
            bundle.clear()
            filled[known.format] = 0
        if size > base.SPLIT and (edges := _edges(path, size, known)):
            found += _ranges(source, path, size, edges, formats)
        else:
            bundle[path] = size
            filled[known.format] = filled.get(known.format, 0) + size
    return [*found, *(_bundle(source, bundle, formats) for bundle in bundles.values() if bundle)]


def source_of(shard: Shard, source: SourceConfig) -> SourceConfig:
    """The source as this shard is read: of one format, where auto found all its files to be of one."""
    return as_format(source, shard.formats[0]) if len(set(shard.formats)) == 1 else source


def _format(path: Path) -> str:
    with readable(path):
        return detect(path).format


def _bundle(source: SourceConfig, sizes: dict[Path, int], formats: dict[Path, str]) -> Shard:
    paths = list(sizes)
    label = paths[0].name if len(paths) == 1 else f"{paths[0].name} … {paths[-1].name} ({len(paths)} files)"
    found = tuple(formats[path] for path in paths) if formats else ()
    return Shard(source.name, label, max(1, sum(sizes.values())), tuple(map(str, paths)), formats=found)


def _ranges(source: SourceConfig, path: Path, size: int, edges: list[int], formats: dict[Path, str]) -> list[Shard]:
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
            (formats[path],) if formats else (),
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
