"""Which documents are held out for measuring, and how much of them training has seen all the same."""

import hashlib
from collections.abc import Sequence

import numpy as np

from lilm.errors import LilmError
from lilm.train.corpus.document import Document
from lilm.train.corpus.ngrams import code_points, ngram_hashes

GRAM = 30  # characters; about a clause in English and a sentence in Japanese
_BITS = 22  # of the filter that spares most look-ups


def split_heldout(
    documents: Sequence[Document], share: float, most: int, seed: int
) -> tuple[list[Document], list[Document]]:
    """(training, held-out). Held out are the `share` of documents, `most` at most, with the least hash of seed and id.

    Call it after deduplication: then no held-out document is a near duplicate of one in training.
    Raises LilmError when there are fewer than two documents.
    """
    if len(documents) < 2:
        lang = documents[0].lang if documents else "?"
        raise LilmError(
            f"{len(documents)} document is left of language {lang!r}; one is needed to train on and one to measure",
            where="corpus",
            remedy="add text, lower max_chars, or loosen the rules that drop most (see `drops` in report.json)",
        )
    count = min(most, max(1, round(share * len(documents))), len(documents) - 1)
    chosen = set(sorted((document.id for document in documents), key=lambda name: _rank(seed, name))[:count])
    return (
        [document for document in documents if document.id not in chosen],
        [document for document in documents if document.id in chosen],
    )


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}\t{name}".encode()).digest()


def repeats(training: Sequence[Document], heldout: Sequence[Document]) -> dict[str, float]:
    """How much of the held-out text stands word for word in training: share of its lines of 10 characters or
    more, and of its different 30-grams."""
    lines = [line for document in heldout for line in document.text.split("\n") if len(line) >= 10]
    wanted = set(lines)
    grams = np.unique(np.concatenate([ngram_hashes(code_points(document.text), GRAM) for document in heldout]))
    seen = np.zeros(len(grams), dtype=bool)
    likely = np.zeros(1 << _BITS, dtype=bool)
    mask = np.uint64((1 << _BITS) - 1)
    likely[(grams & mask).astype(np.int64)] = True
    seen_lines: set[str] = set()
    for document in training:
        seen_lines.update(wanted.intersection(document.text.split("\n")))
        hashes = ngram_hashes(code_points(document.text), GRAM)
        hashes = hashes[likely[(hashes & mask).astype(np.int64)]]
        if len(hashes):
            at = np.minimum(np.searchsorted(grams, hashes), len(grams) - 1)
            seen[at[grams[at] == hashes]] = True
    return {
        "lines_in_training": round(sum(line in seen_lines for line in lines) / max(1, len(lines)), 4),
        f"{GRAM}_grams_in_training": round(float(seen.mean()), 4),
    }
