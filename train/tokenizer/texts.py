"""Which text the vocabulary is learnt from, and on which lines it is verified."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from lilm.documents import read_texts
from lilm.errors import LilmError

T = TypeVar("T")


def learning_texts(corpus: Path, language: str, chars: int) -> Iterator[str]:
    """Training documents of about `chars` characters, the best-scored first.

    corpus: folder of the corpus stage, which writes the best bucket first. A bucket is taken whole while it fits; of
    the one that does not, documents are taken evenly, so that every source in it has its share, and the rest is left.
    Raises LilmError when the stage's report cannot be read.
    """
    texts = read_texts(corpus, language, "train")
    for documents, size in _buckets(corpus, language):
        if chars <= 0:
            return
        yield from sample_evenly(islice(texts, documents), chars / max(1, size))
        chars -= size


def _buckets(corpus: Path, language: str) -> list[tuple[int, int]]:
    """(documents, characters) of each bucket, the best first; what stands in none that is listed comes last."""
    path = corpus / "report.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["languages"][language]
        buckets, total = found["score"]["buckets"] if found["score"] else [], found["train"]
        sizes = [(bucket["documents"], bucket["characters"]) for bucket in buckets]
        rest = (total["documents"] - sum(n for n, _ in sizes), total["characters"] - sum(size for _, size in sizes))
        return [*sizes, rest]
    except (OSError, ValueError, KeyError) as error:
        raise LilmError(
            f"no figures of language {language} ({error!r})",
            where=str(path),
            remedy="run the corpus stage again with --force",
        ) from error


def heldout_lines(corpus: Path, language: str, limit: int | None = None) -> list[str]:
    """About `limit` held-out lines that are not blank, spread over all; None: all.

    Raises LilmError when there is none.
    """
    lines = [line for text in read_texts(corpus, language, "heldout") for line in text.split("\n") if line.strip()]
    if not lines:
        raise LilmError("the held-out text has no lines to verify the tokenizer on", where="corpus", remedy="add text")
    return list(sample_evenly(lines, 1.0 if limit is None else limit / len(lines)))


def sample_evenly(items: Iterable[T], share: float) -> Iterator[T]:
    """About `share` of the items, spread over all of them; all when it is 1 or more.

    >>> list(sample_evenly("abcdefgh", 0.5))
    ['b', 'd', 'f', 'h']
    """
    for index, item in enumerate(items):
        if share >= 1 or int((index + 1) * share) > int(index * share):
            yield item
