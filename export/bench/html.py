"""The report as a page: table, chart, samples, and what the figures mean."""

from typing import Any

from lilm.report.page import render_page
from lilm.report.units import FEW_TOKENS


def report_html(report: dict[str, Any], chart: str) -> str:
    """A whole HTML page. chart: an `<svg>` element of ours; all other text is escaped."""
    from markupsafe import Markup

    drawn = Markup(chart)  # noqa: S704 - our own SVG
    return render_page("lilm.export.bench", "report.html.jinja", report=report, chart=drawn, few=FEW_TOKENS)
