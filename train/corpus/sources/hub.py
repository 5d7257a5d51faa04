"""A dataset of the Hugging Face hub, streamed: nothing but the documents read is downloaded."""

from collections.abc import Iterator

from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Item


def read_hub(source: SourceConfig) -> Iterator[Item]:
    """Raises LilmError when the dataset cannot be opened or has no such field."""
    import datasets

    where = f"hub dataset {source.repo}"
    try:
        rows = datasets.load_dataset(source.repo, source.config or None, split=source.split, streaming=True)
    except (OSError, ValueError) as error:  # also DatasetNotFoundError and an unknown configuration or split
        raise LilmError(
            f"cannot open ({str(error).splitlines()[0]})",
            where=where,
            remedy="check repo, config, split and the connection",
        ) from error
    for number, row in enumerate(rows):
        text = row.get(source.field)
        if not isinstance(text, str):
            raise LilmError(
                f"row {number} has no text in {source.field!r} (found {', '.join(row)})",
                where=where,
                remedy=f"set `field` of corpus source {source.name}",
            )
        if text.strip():
            yield text
