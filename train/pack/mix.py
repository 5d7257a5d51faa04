"""How often a document is seen: the weights of the sources, spent in whole copies."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from xxhash import xxh3_64_intdigest

from lilm.documents import Split, read_parts
from lilm.errors import LilmError


def read_weights(corpus: Path) -> dict[str, float]:
    """source -> weight, as the corpus stage had them. Raises LilmError when its report cannot be read."""
    path = corpus / "report.json"
    try:
        weights: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))["weights"]
    except (OSError, ValueError, KeyError) as error:
        raise LilmError(
            f"no weights of the sources ({error})", where=str(path), remedy="run the corpus stage again with --force"
        ) from error
    return weights


def copies(document: str, weight: float) -> int:
    """How many times a document is written: floor(weight), plus one with probability frac(weight), decided by the hash
    of its id.

    >>> copies("wiki-1", 2.0)
    2
    >>> sum(copies(f"wiki-{number}", 1.25) for number in range(4000)) / 4000
    1.25625
    """
    whole = int(weight)
    return whole + (xxh3_64_intdigest(document.encode()) < (weight - whole) * 2**64)


def read_mixed(corpus: Path, lang: str, split: Split, weights: Mapping[str, float]) -> Iterator[tuple[str, int]]:
    """(text, copies) of the documents of `lang` and `split`, best first; held-out ones stand once."""
    for part in read_parts(corpus, lang, split):
        for document, source, text in part.iter_rows():
            yield text, copies(document, weights[source]) if split == "train" else 1
