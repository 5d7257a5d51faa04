"""The report as a page: table, chart, samples, and what the figures mean."""

from typing import Any

from lilm.report.page import render_page


def report_html(report: dict[str, Any], chart: str) -> str:
    """A whole HTML page. chart: an `<svg>` element of ours; all other text is escaped."""
    from markupsafe import Markup

    return render_page("lilm.export.bench", "report.html.jinja", report=report, chart=Markup(chart))  # noqa: S704 - our own SVG
