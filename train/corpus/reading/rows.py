"""Rows of a Parquet file, written as they come: a single compressed file may drop millions of documents."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lilm.disk import replacing

HELD = 2_000  # rows in memory


class Rows:
    """What `append` is given goes to the file in groups of HELD. count: rows so far."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema
        self._held: list[Sequence[object]] = []
        self.count = 0

    def append(self, row: Sequence[object]) -> None:
        self._held.append(row)
        self.count += 1
        if len(self._held) == HELD:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            columns = [
                pa.array(column, kind)
                for column, kind in zip(zip(*self._held, strict=True), self._schema.types, strict=True)
            ]
            self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
            self._held = []


@contextmanager
def write_rows(path: Path, columns: dict[str, pa.DataType]) -> Iterator[Rows]:
    """Yields the rows of the file `path`, which is there whole when the block ends, or not at all."""
    schema = pa.schema(columns)
    with replacing(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        rows = Rows(writer, schema)
        yield rows
        rows.flush()
