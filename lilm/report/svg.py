"""Charts as SVG elements that are the same for the same figures and take the colours of the page around them."""

import html
import io
import re
from collections.abc import Callable
from typing import Any

INK = "#010203"  # stands for the page's text colour, which is put in at the end
COLOURS = ("#2a78d6", "#d9652b")  # seen well on light and dark paper
_STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_NO_METADATA: Any = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(?:url\(|href=")#([^")]*)')


def svg_chart(label: str, size: tuple[float, float], paint: Callable[[Any], None]) -> str:
    """An `<svg>` element without XML head. `paint` draws on a matplotlib Figure of `size`, in inches.

    label: what a screen reader says of it; give each chart of a page another, as the ids inside are made from it.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": label}):
        figure = Figure(figsize=size, dpi=72, layout="constrained")  # as an SVG counts
        FigureCanvasSVG(figure)
        paint(figure)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=_NO_METADATA)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    needed = set(_REFERENCE.findall(svg))  # the rest would stand in a page once per chart
    svg = _ID.sub(lambda match: match[0] if match[1] in needed else "", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
