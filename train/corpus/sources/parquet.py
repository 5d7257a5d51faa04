"""Parquet, one document in each row's column `field`. Ids in another column only tell repeated rows."""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from polars.exceptions import PanicException, PolarsError

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import MB, Bad, Damaged, Identified, Item
from lilm.train.corpus.sources.files import is_compressed, read_bytes

SLICE = 2 * MB  # bytes on disk that are read at once: one row group may be the whole file


def rows(path: Path) -> int:
    """How many there are. Raises Damaged when it is no Parquet, or cut short."""
    return _opened(path, path)[1]


def read_file(path: Path, source: SourceConfig, begin: int = 0, end: int | None = None) -> Iterator[Item]:
    """The texts of the rows [begin, end); blank ones are passed over.

    Bad: a row without text; rows in a broken page, as many as are read at once. Raises Damaged when it is no Parquet,
    or has no such column of text.
    """
    file = io.BytesIO(read_bytes(path)) if is_compressed(path) else path
    frame, total = _opened(file, path)
    schema, remedy = frame.collect_schema(), f"set `field` of corpus source {source.name}"
    if source.field not in schema:
        raise Damaged(str(path), f"no column {source.field!r} (found {', '.join(schema)})", remedy)
    if schema[source.field] not in (pl.String, pl.Categorical, pl.Enum):
        raise Damaged(str(path), f"column {source.field!r} is {schema[source.field]}, not text", remedy)

    named = source.id_field in schema and source.id_field != source.field
    own = pl.col(source.id_field) if named else pl.lit(None)
    columns = frame.select(pl.col(source.field).cast(pl.String).alias("text"), own.alias("id"))
    size = len(file.getvalue()) if isinstance(file, io.BytesIO) else path.stat().st_size
    step = max(1, total * SLICE // size)
    end = total if end is None else end
    for first in range(begin, end, step):
        height = min(step, end - first)
        try:
            part = columns.slice(first, height).collect()
            texts, ids = part["text"].to_list(), part["id"].to_list()
        except (PolarsError, PanicException) as error:
            yield Bad(f"{path}, rows {first} to {first + height - 1}", _broken(error), "fetch the file again")
            continue
        for number, (text, name) in enumerate(zip(texts, ids, strict=True), start=first):
            where = f"{path}, row {number}"
            if text is None:
                yield Bad(where, f"null in {source.field!r}", "mend or delete that row")
            elif text.strip():
                yield text if name is None else Identified(text, str(name), where)


def _opened(file: Path | io.BytesIO, path: Path) -> tuple[pl.LazyFrame, int]:
    """The file, of which only the footer has been read, and the number of its rows."""
    frame = pl.scan_parquet(file, glob=False)
    try:
        frame.collect_schema()
        return frame, frame.select(pl.len()).collect().item()
    except (PolarsError, PanicException) as error:
        raise Damaged(str(path), _broken(error), "fetch the file again") from error


def _broken(error: BaseException) -> str:
    return f"no Parquet, broken or cut short ({str(error).splitlines()[0]})"
