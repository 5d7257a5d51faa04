"""Contexts of SQuAD-style JSON (SQuAD, JaQuAD, JSQuAD), each once."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from lilm.recipe import SourceConfig
from lilm.train.corpus.sources.base import Damaged, Item
from lilm.train.corpus.sources.decoding import decoded
from lilm.train.corpus.sources.files import read_bytes


def read_file(path: Path, source: SourceConfig) -> Iterator[Item]:
    """Raises Damaged when the file is not JSON of that shape."""
    text = decoded(read_bytes(path), path, source.lang)
    if not text.strip():
        return
    try:
        articles = orjson.loads(text)["data"]
        contexts = [paragraph["context"] for article in articles for paragraph in article["paragraphs"]]
        found = [context for context in dict.fromkeys(contexts) if context.strip()]
    except ValueError as error:
        raise Damaged(str(path), f"not JSON ({error})", "fetch the file again") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise Damaged(
            str(path),
            f"not of SQuAD's shape, data[].paragraphs[].context ({error!r})",
            f"set another `format` for corpus source {source.name}",
        ) from error
    yield from found
