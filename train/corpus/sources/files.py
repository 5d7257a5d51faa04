"""Files by glob, plain or compressed."""

import glob
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.base import MB, Damaged
from lilm.train.corpus.sources.compressed import CHUNK, UNPACK, Unpacked

NOT_OF_USERS = ("thumbs.db", "desktop.ini")


def globbed(pattern: str) -> list[Path]:
    """The files that an absolute pattern matches, sorted. A folder or file of exactly that name is no pattern: people
    have brackets in the names of theirs."""
    known, rest = Path(pattern), ""
    while not known.exists():
        known, rest = known.parent, str(Path(known.name) / rest)
    names = glob.glob(str(Path(glob.escape(str(known))) / rest), recursive=True)  # noqa: PTH207 - absolute patterns
    return sorted(path for path in map(Path, names) if path.is_file())


def matching_files(source: SourceConfig) -> list[Path]:
    """The files of `source.path`, sorted by path. Raises LilmError when there are none."""
    where = f"corpus source {source.name}: {source.path}"
    if Path(source.path).is_dir():
        if source.format == "auto":
            return _files_below(Path(source.path), where)
        remedy = f'name the files in it, such as {source.path}/**/*.txt, or set format = "auto"'
        raise LilmError("is a folder", where=where, remedy=remedy)
    files = globbed(source.path)
    if not files:
        what = "no file matches" if glob.has_magic(source.path) else "no such file"
        raise LilmError(what, where=where, remedy="correct the path (it is relative to the recipe)")
    return files


def _files_below(folder: Path, where: str) -> list[Path]:
    """All files in a folder and its folders, but for hidden ones and those that systems put everywhere."""
    found = [path for path in globbed(str(folder / "**" / "*")) if path.name.lower() not in NOT_OF_USERS]
    if not found:
        raise LilmError("no file in this folder", where=where, remedy="put text there, or correct the path")
    return found


def is_compressed(path: Path) -> bool:
    return path.suffix.lower() in UNPACK


def unpacked_suffix(path: Path) -> str:
    """What the file is by its name, in small letters: ".jsonl" of a.jsonl.gz and of A.JSONL.GZ."""
    return (Path(path.stem).suffix if is_compressed(path) else path.suffix).lower()


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """The file's bytes as a stream; .gz, .xz, .bz2 and .zst are decompressed.

    Reading it raises Damaged where the compressed data is cut short or broken.
    """
    file: io.BufferedReader = io.BufferedReader(io.FileIO(path), CHUNK)
    with file:
        if is_compressed(path):
            yield io.BufferedReader(Unpacked(UNPACK[path.suffix.lower()](file), path), CHUNK)
        else:
            yield file


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises LilmError for what is wrong with the file but not with its data: it is gone, or may not be read."""
    try:
        yield
    except OSError as error:
        remedy = "mend that, or leave the file out of the glob"
        raise LilmError(f"cannot be read ({error.strerror})", where=str(path), remedy=remedy) from error


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The whole file, decompressed. Raises Damaged as `opened`, and when there is more than `limit` (RECORD_LIMIT)."""
    limit = base.RECORD_LIMIT if limit is None else limit
    with opened(path) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise Damaged(str(path), f"more than {limit / MB:g} MB in one document", "cut the file, or leave it out")
    return data
