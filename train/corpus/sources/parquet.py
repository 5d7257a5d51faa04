"""Parquet, one document in each row's column `field`. Ids in another column only tell repeated rows.

By pyarrow, since polars' reader panics over bytes that are damaged, or takes the process with it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import MB, Bad, Damaged, Item, identified
from lilm.train.corpus.sources.files import is_compressed, read_bytes

SLICE = 2 * MB  # bytes on disk that are read at once: one row group may be the whole file
MOST_ROWS = 1 << 16  # that are read at once, whatever a damaged file says of their number
BROKEN = (pa.ArrowException, OSError, ValueError, OverflowError)  # the third for text that is not UTF-8
FETCH = "fetch the file again"


def rows(path: Path) -> int:
    """How many there are. Raises Damaged when it is no Parquet, or cut short."""
    with _opened(path, path) as file:
        return sum(_groups(file, path))


def read_file(path: Path, source: SourceConfig, begin: int = 0, end: int | None = None) -> Iterator[Item]:
    """The texts of the rows [begin, end); blank ones are passed over.

    Bad: a row without text; rows from a broken page to the end of their row group. Raises Damaged when it is no
    Parquet, or has no such column of text.
    """
    data = read_bytes(path) if is_compressed(path) else None
    size = path.stat().st_size if data is None else len(data)
    with _opened(path if data is None else pa.BufferReader(data), path) as file:
        groups = _groups(file, path)
        columns = _columns(file, path, source)
        step = min(MOST_ROWS, max(1, sum(groups) * SLICE // max(1, size)))
        first = 0
        for number, count in enumerate(groups):
            last = first + count if end is None else min(end, first + count)
            if max(first, begin) < last:
                yield from _rows(file, path, columns, step, number, range(max(first, begin), last), first)
            first += count


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number, all columns) of each row. Raises Damaged where it is no Parquet, or broken."""
    with _opened(path, path) as file:
        groups = _groups(file, path)
        step = min(MOST_ROWS, max(1, sum(groups) * SLICE // max(1, path.stat().st_size)))
        at = 0
        try:
            for number in range(len(groups)):
                for batch in file.iter_batches(step, [number], use_threads=False):
                    yield from enumerate(batch.to_pylist(), start=at)
                    at += batch.num_rows
        except BROKEN as error:
            raise Damaged(f"{path}, row {at}", _broken(error), FETCH) from error
        if at < sum(groups):
            raise Damaged(str(path), f"no Parquet, broken or cut short (there are {at} rows)", FETCH)


def _rows(
    file: pq.ParquetFile, path: Path, columns: list[str], step: int, group: int, wanted: range, at: int
) -> Iterator[Item]:
    """The items of the `wanted` rows of a row group, which begins with row `at`. columns: of text, and of ids."""
    try:
        for batch in file.iter_batches(step, [group], columns, use_threads=False):
            skipped = max(0, wanted.start - at)
            part = batch.slice(skipped, max(0, wanted.stop - at - skipped))
            texts = _values(part.column(columns[0]))
            ids = _values(part.column(columns[1])) if len(columns) > 1 else [None] * len(texts)
            yield from _items(path, columns[0], at + skipped, texts, ids)
            at += batch.num_rows
            if at >= wanted.stop:
                return
        what = f"no Parquet, broken or cut short (there are {at} rows)"
    except BROKEN as error:
        what = _broken(error)
    first = max(at, wanted.start)
    yield Bad(f"{path}, rows {first} to {wanted.stop - 1}", what, FETCH, records=wanted.stop - first)


def _values(column: pa.Array) -> list[Any]:
    """What each row has, or a UnicodeDecodeError where that is no UTF-8, as some writers leave it."""
    try:
        found: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        found = [_value(scalar) for scalar in column]
    return found


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        return error


def _items(path: Path, field: str, first: int, texts: list[Any], ids: list[Any]) -> Iterator[Item]:
    for number, (text, name) in enumerate(zip(texts, ids, strict=True), start=first):
        where = f"{path}, row {number}"
        broken = next((one for one in (text, name) if isinstance(one, UnicodeDecodeError)), None)
        if broken is not None:
            what = f"byte {broken.object[broken.start]:#04x} is not UTF-8"
            yield Bad(where, f"{what}, at position {broken.start} of its text", "mend or delete that row")
        elif text is None:
            yield Bad(where, f"null in {field!r}", "mend or delete that row")
        elif text.strip():
            yield identified(text, name, where)


def _opened(file: Path | pa.BufferReader, path: Path) -> pq.ParquetFile:
    """The file, of which only the footer has been read."""
    try:
        return pq.ParquetFile(file, buffer_size=SLICE, pre_buffer=False)
    except BROKEN as error:
        raise Damaged(str(path), _broken(error), FETCH) from error


def _groups(file: pq.ParquetFile, path: Path) -> list[int]:
    """Rows of each row group."""
    found = [file.metadata.row_group(at).num_rows for at in range(file.metadata.num_row_groups)]
    if any(count < 0 for count in found):
        raise Damaged(str(path), "no Parquet, broken or cut short (a row group has fewer than 0 rows)", FETCH)
    return found


def _columns(file: pq.ParquetFile, path: Path, source: SourceConfig) -> list[str]:
    """The names of the column of text and, where there is one, of ids."""
    remedy = f"set `field` of corpus source {source.name}"
    try:
        schema = file.schema_arrow
    except BROKEN as error:
        raise Damaged(str(path), _broken(error), FETCH) from error
    if schema.names.count(source.field) != 1:
        what = "two columns" if source.field in schema.names else "no column"
        raise Damaged(str(path), f"{what} {source.field!r} (found {', '.join(schema.names)})", remedy)
    kind = schema.field(source.field).type
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(is_text(plain) for is_text in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)):
        raise Damaged(str(path), f"column {source.field!r} is {kind}, not text", remedy)
    named = schema.names.count(source.id_field) == 1 and source.id_field != source.field
    return [source.field, source.id_field] if named else [source.field]


def _broken(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno is not None:  # the disk, not the data
        raise error
    return f"no Parquet, broken or cut short ({(str(error).splitlines() or [''])[0]})"
