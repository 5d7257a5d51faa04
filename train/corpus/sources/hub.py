"""A dataset of the Hugging Face hub, streamed: nothing but the documents read is downloaded."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Bad, Item, identified

LOOKED_AT = 20  # rows, before anything is made of a dataset


def read_hub(source: SourceConfig) -> Iterator[Item]:
    """Bad: a row without text in `field`, or where a file of the dataset is broken.

    Raises LilmError when the dataset cannot be opened, or the connection fails.
    """
    from datasets.exceptions import DatasetsError

    where = f"hub dataset {source.repo}"
    rows = open_dataset(source.repo, source.config, source.split)
    number = 0
    try:
        for row in rows:
            text, own = row.get(source.field), row.get(source.id_field)
            if not isinstance(text, str):
                found = f"no text in {source.field!r} (found {', '.join(row)})"
                yield Bad(f"{where}, row {number}", found, f"set `field` of corpus source {source.name}")
            elif text.strip():
                yield identified(text, own, f"{where}, row {number}")
            number += 1
    except (ValueError, DatasetsError) as error:
        yield Bad(f"{where}, after row {number}", f"broken ({first_line(error)})", "leave it out, or tell its owner")
    except OSError as error:
        raise LilmError(
            f"connection failed after row {number} ({first_line(error)})", where=where, remedy="run again"
        ) from error


def check_hub(source: SourceConfig) -> None:
    """Reads the first rows. Raises LilmError when the dataset cannot be opened, or none of them has text."""
    bad = None
    for item in islice(read_hub(source), LOOKED_AT):
        if not isinstance(item, Bad):
            return
        bad = bad or item
    if bad is not None:
        raise bad.error()
    raise LilmError("no text in it", where=f"hub dataset {source.repo}", remedy="check repo, config and split")


def open_dataset(repo: str, config: str, split: str) -> Iterable[dict[str, Any]]:
    """The rows, streamed. Raises LilmError when it cannot be opened."""
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        rows: Iterable[dict[str, Any]] = datasets.load_dataset(repo, config or None, split=split, streaming=True)
    except (OSError, ValueError, DatasetsError) as error:  # also an unknown configuration or split
        raise LilmError(
            f"cannot be opened ({first_line(error)})",
            where=f"hub dataset {repo}",
            remedy="check repo, config, split and the connection",
        ) from error
    return rows


def first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
