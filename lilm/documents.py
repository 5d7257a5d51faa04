"""The corpus on disk: Parquet parts per language and split, written and read only through this module."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lilm.disk import replacing
from lilm.errors import LilmError
from lilm.pipeline.artifact import own_files

if TYPE_CHECKING:
    import polars as pl

Split = Literal["train", "heldout"]
COLUMNS = ("id", "source", "text")


def _folder(corpus_dir: Path, lang: str, split: str) -> Path:
    return corpus_dir / "docs" / lang / split


def write_documents(corpus_dir: Path, lang: str, split: Split, frame: "pl.DataFrame", part: str = "00") -> None:
    """Write `frame` (columns COLUMNS, all strings) as a part of the documents of `lang` and `split`, whole or not at
    all; the same frame gives the same bytes.

    part: its name, beginning with the number of its quality bucket: parts are read in the order of their names, so the
    best is read first.
    """
    path = _folder(corpus_dir, lang, split) / f"part-{part}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part_path:
        frame.select(COLUMNS).write_parquet(part_path, compression="zstd")


def _parts(corpus_dir: Path, lang: str, split: Split) -> list[Path]:
    folder = _folder(corpus_dir, lang, split)
    parts = [path for path in own_files(corpus_dir) if path.parent == folder and path.match("part-*.parquet")]
    if not parts:
        raise LilmError(
            f"no {split} documents of language {lang!r}",
            where=str(corpus_dir),
            remedy="run the corpus stage again with a source of that language",
        )
    return parts


def read_documents(corpus_dir: Path, lang: str, split: Split) -> "pl.DataFrame":
    """All documents of `lang` and `split`: columns id, source, text, best first.

    Raises LilmError when there are none or a part is unreadable.
    """
    import polars as pl

    return pl.concat(read_parts(corpus_dir, lang, split))


def count_documents(corpus_dir: Path, lang: str, split: Split) -> int:
    """How many there are, from the parts' footers alone. Raises as `read_documents`."""
    return _count(_parts(corpus_dir, lang, split), _folder(corpus_dir, lang, split))


def _count(parts: list[Path], where: Path) -> int:
    import polars as pl

    try:
        return int(pl.scan_parquet(parts, glob=False).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(where, error) from error


def read_parts(corpus_dir: Path, lang: str, split: Split) -> Iterator["pl.DataFrame"]:
    """The same part by part, so that memory holds one. Raises as `read_documents`."""
    for part in _parts(corpus_dir, lang, split):
        yield _read_part(part)


def read_texts(corpus_dir: Path, lang: str, split: Split) -> Iterator[str]:
    """The texts alone. Raises as `read_documents`."""
    for part in read_parts(corpus_dir, lang, split):
        yield from part["text"]


def read_evenly(corpus_dir: Path, lang: str, split: Split, count: int) -> list[str]:
    """`count` texts at even distances, or all there are. Parts in which none falls are not read. Raises as
    `read_documents`."""
    total = count_documents(corpus_dir, lang, split)
    wanted = sorted({at * total // count for at in range(count)}) if count < total else list(range(total))
    texts: list[str] = []
    start = 0
    for path in _parts(corpus_dir, lang, split):
        size = _count([path], path)
        rows = [at - start for at in wanted if start <= at < start + size]
        if rows:
            texts += _read_part(path)["text"].gather(rows).to_list()
        start += size
    return texts


def _read_part(path: Path) -> "pl.DataFrame":
    import polars as pl

    try:
        return pl.read_parquet(path, columns=list(COLUMNS), glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> LilmError:
    return LilmError(f"unreadable ({error})", where=str(path), remedy="run the corpus stage again with --force")
