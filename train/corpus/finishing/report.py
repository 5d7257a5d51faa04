"""report.json: everything that can be said of a corpus and is the same every time it is made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lilm.recipe import CorpusConfig
from lilm.train.corpus.finishing.cut import CutReport
from lilm.train.corpus.finishing.cuts import ScoreCuts
from lilm.train.corpus.finishing.finish import FinishReport
from lilm.train.corpus.finishing.heldout import GRAM, Passages
from lilm.train.corpus.finishing.removed import Removed
from lilm.train.corpus.finishing.split import Held
from lilm.train.corpus.rules import RULES
from lilm.train.corpus.score import figures
from lilm.train.corpus.tally import SAMPLES, Tally

# Of what is dropped by no rule of [corpus.rules]: the key in [corpus].
KEYS = {
    "near_duplicate": "dedup.near",
    "boilerplate_lines": "dedup.line_documents",
    "score": "score.drop",
    "contaminated": "decontaminate.ngram",
}
NO_CLUSTERS: dict[str, Any] = {"clusters": 0, "copies": 0, "sizes": {}, "biggest": []}


def corpus_report(
    config: CorpusConfig,
    tally: Tally,
    finished: Sequence[FinishReport],
    cut: Sequence[CutReport],
    held: Held,
    cuts: Mapping[str, ScoreCuts],
    clusters: Mapping[str, Any],
    frequent: Path | None,
) -> dict[str, Any]:
    """cut: where boilerplate was looked for. clusters: see `cluster_figures`. frequent: file of frequent lines."""
    weights = {source.name: source.weight for source in config.sources}
    languages: dict[str, Any] = {}
    weighted: Counter[str] = Counter()
    for lang in held.passages:
        mine = [report for report in finished if report.block.lang == lang]
        training = [_sum(report.figures["train"].values()) for report in mine]
        weighted[lang] = sum(
            round(one["bytes"] * weights[report.block.source]) for report, one in zip(mine, training, strict=True)
        )
        languages[lang] = {
            "train": _sum(training),
            "heldout": {
                **_sum(_sum(report.figures["heldout"].values()) for report in mine),
                **_repeats(held.passages[lang], [report.seen for report in mine]),
            },
            "near_duplicates": clusters.get(lang, NO_CLUSTERS),
            "boilerplate_lines": _lines([one for one in cut if one.lang == lang], frequent),
            "boilerplate_passages": _passages([one.passages for one in cut if one.lang == lang]),
            "score": _score(cuts[lang], mine) if lang in cuts else None,
        }
    total = sum(entry["train"]["bytes"] for entry in languages.values())
    for lang, entry in languages.items():
        entry["share"] = round(entry["train"]["bytes"] / max(1, total), 4)
        entry["weighted_share"] = round(weighted[lang] / max(1, weighted.total()), 4)
    return {
        "languages": languages,
        "sources": tally.sources(),
        "weights": weights,
        "drops": {rule: {**entry, **_threshold(rule, config)} for rule, entry in sorted(tally.drops.items())},
        "bad": {name: entry for name, entry in sorted(tally.bad.items()) if entry["records"]},
        "contaminated": {
            "documents": sum(tally.contaminated.values()),
            "files": dict(sorted(tally.contaminated.items())),
        },
    }


def _threshold(rule: str, config: CorpusConfig) -> dict[str, Any]:
    """key: of the recipe, which loosens the rule; limit: what it is. Nothing for a rule that has none."""
    found = {one.name: one for one in RULES}.get(rule)
    if found is not None:
        place = "" if found.place is None else f"[{found.place}]"
        return {"key": f"corpus.rules.{found.key}{place}", "limit": found.limit(config.rules)}
    if rule not in KEYS:
        return {}
    limit: Any = config
    for name in KEYS[rule].split("."):
        limit = getattr(limit, name)
    return {"key": f"corpus.{KEYS[rule]}", "limit": limit}


def _sum(figures: Any) -> dict[str, int]:
    total = {"documents": 0, "characters": 0, "bytes": 0}
    for one in figures:
        for key in total:
            total[key] += one[key]
    return total


def _repeats(passages: Path, seen: Sequence[Path]) -> dict[str, float]:
    """Share of the held-out documents' different lines and 30-grams that stand word for word in training."""
    wanted = Passages.load(passages)
    marks = np.zeros(len(wanted.grams) + len(wanted.lines), dtype=bool)
    for path in seen:
        marks |= np.load(path)
    grams, lines = marks[: len(wanted.grams)], marks[len(wanted.grams) :]
    return {
        "lines_in_training": round(float(lines.mean()), 4) if len(lines) else 0.0,
        f"{GRAM}_grams_in_training": round(float(grams.mean()), 4) if len(grams) else 0.0,
    }


def _lines(found: Sequence[CutReport], frequent: Path | None) -> dict[str, Any]:
    """lines: how many different ones were taken out."""
    samples: dict[str, int] = {}
    for one in found:
        samples.update(one.lines.samples)
    hashes, documents = np.load(frequent, mmap_mode="r") if frequent is not None else np.empty((2, 0), dtype=np.uint64)
    counted = {text: int(documents[np.searchsorted(hashes, np.uint64(mark))]) for text, mark in samples.items()}
    marks = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *(np.load(one.marks) for one in found)]))
    return {"lines": len(marks), **_removed([one.lines for one in found], counted)}


def _passages(found: Sequence[Removed]) -> dict[str, Any]:
    samples: dict[str, int] = {}
    for one in found:
        samples.update(one.samples)
    return _removed(found, samples)


def _removed(found: Sequence[Removed], samples: Mapping[str, int]) -> dict[str, Any]:
    """samples: what was taken out, and in how many documents it stood."""
    shown = sorted(samples.items(), key=lambda item: (-item[1], item[0]))
    return {
        "removed": sum(one.removed for one in found),
        "bytes": sum(one.bytes for one in found),
        "samples": [{"text": text, "documents": documents} for text, documents in shown[:SAMPLES]],
    }


def _score(limits: ScoreCuts, finished: Sequence[FinishReport]) -> dict[str, Any]:
    """Histogram and cuts, with the documents and bytes of each bucket as they were written."""
    found = figures(limits.counts, limits.cuts)
    cut = found["drop_from"] if found["dropped"] else None
    buckets = [
        {**_sum(report.figures["train"].get(str(bucket)) or _sum(()) for report in finished), "up_to": upto}
        for bucket, upto in enumerate([*found["cuts"], cut or found["edges"][-1]])
    ]
    return {"edges": found["edges"], "counts": found["documents"], "cut": cut, "buckets": buckets}
