"""The page of one run's files: which to ship, and what that rests on."""

from collections.abc import Mapping
from typing import Any

from lilm.export.quality.page.advice import OVER_RULE, advise
from lilm.export.quality.page.charts import quality_charts, speed_charts
from lilm.export.quality.page.tables import (
    CHOICE_HEADS,
    TEXT_HEADS,
    WRITTEN_HEADS,
    bits_table,
    choice_tables,
    strips,
    text_tables,
    written_rows,
)
from lilm.report.languages import language_name
from lilm.report.page import render_page

PACKAGE = "lilm.export.quality.page"
FAULTS = {"loops": "loops", "wrong_language": "in another language", "broken": "broken characters"}


def quant_page(model: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """The whole HTML page of a model of the report. It needs nothing else, and all text out of files is escaped.

    own: size_bytes_off, blocks_exact and fit_error, as bench.measure has them."""
    from markupsafe import Markup

    def drawn(charts: list[tuple[str, str]]) -> list[tuple[str, Markup]]:
        return [(title, Markup(chart)) for title, chart in charts]  # noqa: S704 - our own SVG, whose text is escaped

    return render_page(
        PACKAGE,
        "quant.html.jinja",
        {"language": language_name},
        model=model,
        own=own,
        shipped=[row for row in model["files"] if not row["control"]],
        has_controls=any(row["control"] for row in model["files"]),
        advice=advise(model),
        rule=OVER_RULE,
        quality=drawn(quality_charts(model)),
        speed=drawn(speed_charts(model)),
        tables=text_tables(model),
        text_heads=TEXT_HEADS,
        written=written_rows(model),
        written_heads=WRITTEN_HEADS,
        choices=choice_tables(model),
        choice_heads=CHOICE_HEADS,
        bits=bits_table(model),
        strips=strips(model),
        faults=FAULTS,
    )
