"""JSON Lines, one document in each line's `field`; plain, .gz, .xz or .zst."""

import json
from collections.abc import Iterator
from pathlib import Path

from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Item
from lilm.train.corpus.sources.files import opened


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """Raises LilmError naming file:line for bad UTF-8, bad JSON, a missing field or one that is no string."""
    with opened(path) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                record = json.loads(line.decode("utf-8"))
            except UnicodeDecodeError as error:
                raise LilmError(
                    f"byte {line[error.start]:#04x} at position {error.start} of the line is not UTF-8",
                    where=where,
                    remedy="mend or delete that line",
                ) from error
            except ValueError as error:
                raise LilmError(f"not JSON ({error})", where=where, remedy="mend or delete that line") from error
            if not isinstance(record, dict) or source.field not in record:
                keys = ", ".join(record) if isinstance(record, dict) else type(record).__name__
                raise LilmError(
                    f"no field {source.field!r} (found {keys})",
                    where=where,
                    remedy=f"set `field` of corpus source {source.name}",
                )
            text = record[source.field]
            if not isinstance(text, str):
                raise LilmError(
                    f"field {source.field!r} is {type(text).__name__}, not a string",
                    where=where,
                    remedy=f"set `field` of corpus source {source.name}",
                )
            if text.strip():
                yield text
