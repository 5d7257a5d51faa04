"""Contexts of SQuAD-style JSON (SQuAD, JaQuAD, JSQuAD), each once."""

import json
from collections.abc import Iterator
from pathlib import Path

from lilm.errors import LilmError
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Item
from lilm.train.corpus.sources.files import read_bytes


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """Raises LilmError when the file is not JSON of that shape."""
    try:
        articles = json.loads(read_bytes(path).decode("utf-8"))["data"]
        contexts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
    except ValueError as error:  # also UnicodeDecodeError
        raise LilmError(f"not JSON ({error})", where=str(path), remedy="fetch the file again") from error
    except (KeyError, TypeError) as error:
        raise LilmError(
            f"not of SQuAD's shape, data[].paragraphs[].context ({error!r})",
            where=str(path),
            remedy=f"set another `format` for corpus source {source.name}",
        ) from error
    yield from (context for context in dict.fromkeys(contexts) if context.strip())
