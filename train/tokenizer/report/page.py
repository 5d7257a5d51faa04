"""The page of `lilm tokenizer report`."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from lilm.report.page import render_page
from lilm.report.units import count, percent, three_digits
from lilm.train.tokenizer.report.charts import curve_chart, density_chart, length_chart
from lilm.train.tokenizer.report.curve import FILE_TYPES


def tokenizer_page(report: Mapping[str, Any]) -> str:
    """One HTML page with all that `tokenizer_report` answers; the same for the same figures."""
    from markupsafe import Markup

    names = list(report["samples"])
    return render_page(
        "lilm.train.tokenizer.report",
        "tokenizer.html.jinja",
        {"count": count, "percent": percent, "three_digits": three_digits},
        report=report,
        names=names,
        headline=_headline(report, names),
        file_types=list(FILE_TYPES),
        steps=_steps(report["curve"]),
        choice=report.get("choice", ""),
        # Our own SVG, in which all text is escaped.
        densities={name: Markup(density_chart(report["tokenizers"], name)) for name in names},  # noqa: S704
        lengths={key: Markup(length_chart(f"{key} pieces", table)) for key, table in report["pieces"].items()},  # noqa: S704
        curve=Markup(curve_chart(report["curve"], names[0])),  # noqa: S704
    )


def _headline(report: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
    """(figure, what it is) of the page's first lines."""
    base, merged = report["tokenizers"][:2]
    before, after = (one["texts"][names[0]]["chars_per_token"] for one in (base, merged))
    return [
        (f"{after:.2f}", f"characters a token of {names[0]} (base: {before:.2f})"),
        (count(report["vocab_size"]), f"pieces, {count(report['base_vocab_size'])} of the base"),
        (count(report["usage"]["new"]["dead"]), "new pieces that the corpus never uses"),
    ]


def _steps(curve: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each point beside the one before it: pieces more, share of tokens saved, and MB more by file type."""
    return [
        {
            "point": now,
            "pieces": now["vocab_size"] - before["vocab_size"],
            "saved": 1 - now["tokens"] / max(1, before["tokens"]),
            "mb": {name: now["mb"][name] - before["mb"][name] for name in now["mb"]},
        }
        for before, now in pairwise(curve)
    ]
