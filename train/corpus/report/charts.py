"""The three charts: what each step left of a source, how documents score, how large clusters of duplicates are."""

import math
from collections.abc import Mapping
from typing import Any

from lilm.report.svg import COLOURS, INK, svg_chart
from lilm.report.units import count, size, three_digits

WIDTH = 3.9  # inches; a screen shows two side by side, a phone one
KEPT, DROPPED = COLOURS
_STRETCH = 2  # bins so much wider at the end than at the beginning are drawn on a logarithmic axis


def funnel_chart(source: str, steps: Mapping[str, Mapping[str, int]]) -> str:
    """Bytes and documents of `source` after each of `steps`, in their order, as bars against the greatest."""
    rows = list(steps.values())

    def paint(figure: Any) -> None:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, key, unit, colour in zip(panels, ("bytes", "documents"), (size, count), COLOURS, strict=True):
            most = max((row[key] for row in rows), default=0) or 1
            for at, row in enumerate(rows):
                axes.barh(at, 1, height=0.3, color=INK, alpha=0.08)
                axes.barh(at, row[key] / most, height=0.3, color=colour)
                axes.text(0, at - 0.2, unit(row[key]), va="bottom", fontsize=9)
            axes.set_title({"bytes": "text", "documents": "documents"}[key], loc="left", fontsize=10)
            axes.set(xlim=(0, 1), ylim=(len(rows) - 0.6, -0.75), xticks=[])
            axes.set_yticks(range(len(rows)), [step.replace("_", "\n") for step in steps])
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)

    return svg_chart(f"Text and documents of {source} after each step", (WIDTH, 0.5 + 0.45 * len(rows)), paint)


def score_chart(lang: str, score: Mapping[str, Any]) -> str:
    """Histogram of the scores (perplexity: lower is better), those past the cut in another colour, and where one
    bucket ends and the next begins."""
    edges, counts, cut = score["edges"], score["counts"], score["cut"]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.stairs(counts, edges, fill=True, color=KEPT)
        if cut is not None:
            past = [(max(low, cut), n) for low, high, n in zip(edges, edges[1:], counts, strict=False) if high > cut]
            if past:
                axes.stairs([n for _, n in past], [*(low for low, _ in past), edges[-1]], fill=True, color=DROPPED)
            axes.axvline(cut, color=DROPPED, linewidth=1.6, label=f"cut at {three_digits(cut)}")
        for number, bucket in enumerate(score["buckets"][:-1]):
            label = "" if number else "end of a bucket"
            axes.axvline(bucket["up_to"], color=INK, linewidth=1, linestyle=(0, (4, 3)), label=label)
        if edges[0] > 0 and edges[-1] - edges[-2] > _STRETCH * (edges[1] - edges[0]):
            axes.set_xscale("log")
        axes.set(xlim=(edges[0], edges[-1]), ylim=(0, max(counts) * 1.05 or 1), xlabel="perplexity", ylabel="documents")
        _plain_ticks(axes.xaxis)
        _plain_ticks(axes.yaxis)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9)

    return svg_chart(f"Documents of {lang} by perplexity", (WIDTH, 2.7), paint)


def cluster_chart(lang: str, sizes: Mapping[str, int]) -> str:
    """How many clusters of near duplicates have how many members, both logarithmic."""
    points = sorted((int(members), clusters) for members, clusters in sizes.items())

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.vlines([at for at, _ in points], 0.6, [n for _, n in points], color=KEPT, linewidth=1.2, alpha=0.5)
        axes.plot([at for at, _ in points], [n for _, n in points], "o", color=KEPT, markersize=4.5)
        axes.set(xscale="log", yscale="log")
        axes.set(xlim=(1.7, max(12, points[-1][0] * 1.3)), ylim=(0.6, max(12, max(n for _, n in points) * 1.6)))
        _plain_ticks(axes.xaxis)
        _plain_ticks(axes.yaxis)
        axes.grid(alpha=0.25, color=INK, linewidth=0.5)
        axes.set(xlabel="documents in a cluster", ylabel="clusters")

    return svg_chart(f"Near-duplicate clusters of {lang} by size", (WIDTH, 2.7), paint)


def _plain_ticks(axis: Any) -> None:
    """Ticks written `1,000` and not as a power of ten, fewer to a decade on a long logarithmic axis."""
    if axis.get_scale() == "log":
        from matplotlib.ticker import LogLocator, NullLocator

        low, high = axis.get_view_interval()
        decades = math.log10(high / low)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2 else (1, 3) if decades < 4 else (1,)))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:,.6g}")
