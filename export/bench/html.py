"""The report as one page that needs nothing else: table, chart, samples, and what the figures mean."""

from typing import Any

TEMPLATE = "report.html.jinja"


def report_html(report: dict[str, Any], chart: str) -> str:
    """A whole HTML page. chart: an `<svg>` element of ours; all other text is escaped."""
    import jinja2
    from markupsafe import Markup

    loader = jinja2.PackageLoader("lilm.export.bench", ".")
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.undefined = jinja2.StrictUndefined
    page = environment.get_template(TEMPLATE).render(report=report, chart=Markup(chart))  # noqa: S704 - our own SVG
    return page + "\n"
