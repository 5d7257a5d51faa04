"""How fast normalising and all rules are, beside HojiChar's filters on the same texts in the same run."""

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lilm.recipe import RulesConfig
from lilm.train.corpus.bench.data import real_texts
from lilm.train.corpus.normalise import normalise_all
from lilm.train.corpus.rules import refusals, without_boilerplate

CHARS = 700  # of a document: about 2 KB
BATCH = 256
OURS, THEIRS = 10_000_000, 1_000_000  # bytes each one works on
ROUNDS = 3  # the best counts
INSTALL = "pip install hojichar"


def documents(data: Path | None) -> list[str]:
    """Japanese text in documents of about 2 KB, in a fixed random order; see `real_texts`."""
    made = [document for text in real_texts(data) for document in _cut(text)]
    random.Random(0).shuffle(made)
    return made


def _cut(text: str) -> list[str]:
    """Whole lines, CHARS or a little more together."""
    made, current, length = [], [], 0
    for line in text.splitlines(keepends=True):
        current.append(line)
        length += len(line)
        if length >= CHARS:
            made.append("".join(current))
            current, length = [], 0
    return made


def measure_rules(data: Path | None) -> dict[str, Any]:
    """rules_mb_s, hojichar_mb_s: MB of UTF-8 a second on one core, normalising, taking boilerplate lines and judging
    with every rule for pages of the web; documents, document_bytes: on what. hojichar_mb_s is None, and
    `hojichar_install` says how to have it, when HojiChar is not there.
    """
    texts = documents(data)
    ours, theirs = _first(texts, OURS), _first(texts, THEIRS)
    _judge(ours[:BATCH])  # makes the tables
    peer = _hojichar()
    return {
        "rules_mb_s": round(_speed(_judge, ours), 1),
        "hojichar_mb_s": round(_speed(peer, theirs), 2) if peer else None,
        **({} if peer else {"hojichar_install": INSTALL}),
        "documents": len(ours),
        "document_bytes": round(_size(ours) / len(ours)),
    }


def _judge(texts: Sequence[str]) -> None:
    rules = RulesConfig()
    for start in range(0, len(texts), BATCH):
        normal = normalise_all(texts[start : start + BATCH], "ja", "、。")
        cleaned = [without_boilerplate(text, rules).text for text in normal]
        refusals(cleaned, "ja", rules, web=True)


def _hojichar() -> Callable[[Sequence[str]], None] | None:
    """All of HojiChar's filters of documents that need no other package, or None."""
    try:
        from hojichar import Compose
        from hojichar import document_filters as filters
    except ImportError:
        return None
    compose = Compose(
        [
            filters.DocumentNormalizer(),
            filters.DocumentLengthFilter(min_doc_len=50, max_doc_len=50_000),
            filters.AcceptJapanese(),
            filters.DiscardRareKuten(),
            filters.HeaderFooterTagsRemover(),
            filters.DiscardAdultContentJa(),
            filters.DiscardDiscriminationContentJa(),
            filters.DiscardViolenceContentJa(),
            filters.DiscardBBSComments(),
            filters.DiscardAds(),
            filters.MaskPersonalInformation(),
            filters.CharRepetitionRatioFilter(),
            filters.SingleCharacterRepetitionFilter(),
            filters.DiscardTooManyEndingEllipsis(),
            filters.DiscardTooShortLines(),
        ]
    )

    def work(texts: Sequence[str]) -> None:
        for text in texts:
            compose(text)

    return work


def _speed(work: Callable[[Sequence[str]], None], texts: Sequence[str]) -> float:
    """MB a second, the best of ROUNDS."""
    best = float("inf")
    for _ in range(ROUNDS):
        fresh = [
            text[:1] + text[1:] for text in texts
        ]  # new strings: Python keeps a string's UTF-8 once it was asked for
        started = time.perf_counter()
        work(fresh)
        best = min(best, time.perf_counter() - started)
    return _size(texts) / best / 1e6


def _first(texts: Sequence[str], size: int) -> list[str]:
    """The first texts of so many bytes together."""
    chosen = []
    for text in texts:
        size -= len(text.encode())
        if size < 0:
            break
        chosen.append(text)
    return chosen


def _size(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)
