"""The page: report.json and the times in words, bars and charts."""

from collections.abc import Callable, Mapping
from typing import Any

from lilm.report.page import render_page
from lilm.report.units import count, duration, percent, size, three_digits
from lilm.train.corpus.report.charts import cluster_chart, funnel_chart, score_chart
from lilm.train.corpus.report.differences import differences

FUNNELS = 12  # of so many sources a chart is drawn, the largest; the table has all
SHOWN = 300  # characters of a sample


def by_mark(sample: Mapping[str, Any], shown: int) -> list[tuple[bool, str]]:
    """The first `shown` characters of a sample in pieces, each with whether it is marked."""
    text, pieces, at = sample["text"][:shown], [], 0
    for start, end in sample.get("marks", ()):
        pieces += [(False, text[at:start]), (True, text[start:end])]
        at = end
    return [piece for piece in [*pieces, (False, text[at:])] if piece[1]]


FILTERS: dict[str, Callable[..., Any]] = {
    "count": count,
    "size": size,
    "percent": percent,
    "duration": duration,
    "three_digits": three_digits,
    "differences": differences,
    "by_mark": by_mark,
}


def report_page(report: Mapping[str, Any], timing: Mapping[str, Any]) -> str:
    """One HTML page with all that the corpus stage's report and its timing say; the same for the same figures.

    report: what report.json holds, and `tokens` (language -> tokens, characters_per_token, bytes_per_token) where
    they are known. timing: `steps` (step -> seconds, mb, mb_s), and `predicted` and `actual` (seconds, disk_bytes,
    memory_mb), each of which may be None. Text in it is escaped, whatever it holds.
    """
    from markupsafe import Markup

    sources, languages = report["sources"], report["languages"]
    largest = sorted(sources, key=lambda source: (-_most(sources[source], "bytes"), source))[:FUNNELS]
    scored = {lang: entry["score"] for lang, entry in languages.items() if entry["score"]}
    cloned = {lang: entry["near_duplicates"] for lang, entry in languages.items() if entry["near_duplicates"]["sizes"]}
    return render_page(
        "lilm.train.corpus.report",
        "corpus.html.jinja",
        FILTERS,
        report=report,
        timing=timing,
        headline=_headline(report, timing),
        tokens=report.get("tokens") or {},
        steps=list(dict.fromkeys(step for steps in sources.values() for step in steps)),
        drops=sorted(report["drops"].items(), key=lambda item: (-item[1]["documents"], item[0])),
        broken={source: entry for source, entry in report["bad"].items() if entry["bad"]},
        shown=SHOWN,
        # Our own SVG, in which all text is escaped.
        funnels={source: Markup(funnel_chart(source, sources[source])) for source in largest},  # noqa: S704
        scores={lang: Markup(score_chart(lang, score)) for lang, score in scored.items()},  # noqa: S704
        clusters={lang: Markup(cluster_chart(lang, found["sizes"])) for lang, found in cloned.items()},  # noqa: S704
    )


def _headline(report: Mapping[str, Any], timing: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(figure, what it is) of the page's first lines."""
    splits = [entry[split] for entry in report["languages"].values() for split in ("train", "heldout")]
    training, heldout = splits[::2], splits[1::2]
    text = sum(split["bytes"] for split in training)
    figures = [
        (size(text), "of text to train on"),
        (count(sum(split["documents"] for split in training)), "documents in it"),
        (count(sum(split["documents"] for split in heldout)), "documents held out"),
    ]
    if tokens := report.get("tokens"):
        figures.append((count(sum(entry["tokens"] for entry in tokens.values())), "tokens"))
    read = sum(steps["read"]["bytes"] for steps in report["sources"].values() if "read" in steps)
    if read:
        figures.append((percent(sum(split["bytes"] for split in splits) / read), f"kept of {size(read)} read"))
    if actual := timing["actual"]:
        speed = read / 1e6 / max(actual["seconds"], 1e-9)
        figures.append((duration(actual["seconds"]), f"spent, {three_digits(speed)} MB/s"))
    return figures


def _most(steps: Mapping[str, Mapping[str, int]], key: str) -> int:
    return max((step[key] for step in steps.values()), default=0)
