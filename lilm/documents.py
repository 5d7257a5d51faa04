"""The corpus on disk: Parquet parts per language and split, written and read only through this module."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lilm.errors import LilmError

if TYPE_CHECKING:
    import polars as pl

Split = Literal["train", "heldout"]
COLUMNS = ("id", "source", "text")
PART_ROWS = 200_000  # documents in a part


def _folder(corpus_dir: Path, lang: str, split: str) -> Path:
    return corpus_dir / "docs" / lang / split


def write_documents(corpus_dir: Path, lang: str, split: Split, frame: "pl.DataFrame") -> None:
    """Write `frame` (columns id, source, text; all strings) as the documents of `lang` and `split`.

    The same frame gives the same bytes. What stood there before is removed first.
    """
    folder = _folder(corpus_dir, lang, split)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, start in enumerate(range(0, max(1, frame.height), PART_ROWS)):
        part = frame.select(COLUMNS).slice(start, PART_ROWS)
        part.write_parquet(folder / f"part-{number:05d}.parquet", compression="zstd", row_group_size=20_000)


def _parts(corpus_dir: Path, lang: str, split: Split) -> list[Path]:
    parts = sorted(_folder(corpus_dir, lang, split).glob("part-*.parquet"))
    if not parts:
        raise LilmError(
            f"no {split} documents of language {lang!r}",
            where=str(corpus_dir),
            remedy="run the corpus stage again with a source of that language",
        )
    return parts


def read_documents(corpus_dir: Path, lang: str, split: Split) -> "pl.DataFrame":
    """All documents of `lang` and `split`: columns id, source, text, in the order written.

    Raises LilmError when there are none or a part is unreadable.
    """
    import polars as pl

    return pl.concat([_read_part(part) for part in _parts(corpus_dir, lang, split)])


def count_documents(corpus_dir: Path, lang: str, split: Split) -> int:
    """How many there are, from the parts' footers alone. Raises as `read_documents`."""
    import polars as pl

    parts = _parts(corpus_dir, lang, split)
    try:
        return int(pl.scan_parquet(parts).select(pl.len()).collect().item())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(_folder(corpus_dir, lang, split), error) from error


def read_texts(corpus_dir: Path, lang: str, split: Split) -> Iterator[str]:
    """The texts alone, part by part, so that memory holds one part. Raises as `read_documents`."""
    for part in _parts(corpus_dir, lang, split):
        yield from _read_part(part)["text"]


def _read_part(path: Path) -> "pl.DataFrame":
    import polars as pl

    try:
        return pl.read_parquet(path, columns=list(COLUMNS))
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> LilmError:
    return LilmError(f"unreadable ({error})", where=str(path), remedy="run the corpus stage again with --force")
