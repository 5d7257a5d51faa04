"""Tables as text (CSV, TSV), one document in each row's column `field`."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.base import Bad, Damaged, Item, identified
from lilm.train.corpus.sources.decoding import decoded
from lilm.train.corpus.sources.files import read_bytes, unpacked_suffix

SEPARATORS = ("\t", ";", ",")  # the one that stands most often in the first row; a comma where none does
SHOWN = 20  # columns in a message
HEAD = 1 << 16  # characters, in which the first row ends
_QUOTED = re.compile(r'"[^"]*"')  # what a name holds separates nothing


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """The texts of the rows below the first, which names the columns; blank ones are passed over.

    Bad: a row without that column, and one with more cells than there are columns: a text whose separator is not in
    quotation marks would lose all after it. Raises Damaged for a file without such a column, with a quotation mark that
    is never closed, or of more than RECORD_LIMIT bytes.
    """
    text = decoded(read_bytes(path), path, source.lang)
    if not text.strip():
        return
    csv.field_size_limit(base.RECORD_LIMIT)  # Python's own 128 KB are less than many a document has
    first = _QUOTED.sub("", text[:HEAD]).split("\n", 1)[0]
    tabs = unpacked_suffix(path) == ".tsv" and not any(map(first.count, SEPARATORS))
    separator = "\t" if tabs else max(reversed(SEPARATORS), key=first.count)
    rows = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        names = next(rows, [])
        if names.count(source.field) != 1:
            what = f"no column {source.field!r} (found {', '.join(names[:SHOWN])})"
            raise Damaged(f"{path}:1", what, f"set `field` of corpus source {source.name}")
        column, own = names.index(source.field), _column(names, source)
        for row in rows:
            if not row:
                continue
            where = f"{path}:{rows.line_num}"
            if len(row) <= column or any(row[len(names) :]):
                remedy = "put a text that holds the separator in quotation marks, or delete that row"
                yield Bad(where, f"{len(row)} columns, not {len(names)}", remedy)
            elif row[column].strip():
                name = row[own] if own is not None and own < len(row) else None
                yield identified(row[column], name, where)
    except csv.Error as error:
        raise Damaged(f"{path}:{rows.line_num}", f"not CSV ({error})", "mend or delete that row") from error


def _column(names: list[str], source: SourceConfig) -> int | None:
    """Of the rows' own ids."""
    known = names.count(source.id_field) == 1 and source.id_field != source.field
    return names.index(source.id_field) if known else None
