"""The charts of the page: quality and speed against megabytes, each small enough for a phone's width."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lilm.export.quality.page.choice import Row, front
from lilm.report.labels import Name, place_names
from lilm.report.languages import language_name
from lilm.report.svg import COLOURS, INK, svg_chart

SIZE = (3.8, 3.1)  # inches: so narrow that a phone shows letters a fifth larger than 10 points
NAME_SIZE = 9
LOWEST = 0.1  # of a mean: a log axis has no 0 for an interval to reach
OURS, CONTROL = COLOURS


@dataclass(frozen=True)
class Point:
    """A file on a chart. low, high: of its interval, equal to y where there is none. own: no control."""

    name: str
    x: float
    y: float
    low: float
    high: float
    own: bool


def kinds_of_text(model: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(kind, context, title) of what the files were measured on, as the report has it."""
    found = [(lang, "short", f"{language_name(lang)} text") for lang in model["languages"]]
    found.append(("chat", "whole", "chats"))
    found += [(lang, "long", f"{language_name(lang)}, far into long text") for lang in model["languages"]]
    return [(kind, context, title) for kind, context, title in found if context in model["measured_on"].get(kind, {})]


def quality_charts(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(title, `<svg>` element) for each kind of text: KL divergence with its 95% interval over megabytes."""
    found = []
    for kind, context, title in kinds_of_text(model):
        rows = [row for row in model["files"] if row["texts"].get(kind, {}).get(context, {}).get("kld_mean")]
        points = [_divergence(row, kind, context) for row in rows]
        points = [point for point in points if point.y > 0]
        line: list[Point] = []
        if context != "long":
            best = {row["quant"] for row in front([row for row in rows if not row["control"]], kind)}
            line = [point for point in points if point.name in best]
        if points:
            found.append((title, _quality(f"{model['name']}: {title}", points, line)))
    return found


def _divergence(row: Row, kind: str, context: str) -> Point:
    mean = row["texts"][kind][context]["kld_mean"]
    low, high = mean["ci95"]
    return Point(row["quant"], row["mb"], mean["value"], low, high, not row["control"])


def _quality(title: str, points: Sequence[Point], line: Sequence[Point]) -> str:
    said = "; ".join(f"{one.name} {one.x:.4g} MB {one.y:.2g} ({one.low:.2g} to {one.high:.2g})" for one in points)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_yscale("log")
        line_of = sorted(line, key=lambda point: point.x)
        axes.plot([one.x for one in line_of], [one.y for one in line_of], "--", color=OURS, linewidth=1, alpha=0.6)
        _draw(axes, points)
        axes.set_ylabel("KL divergence from F16, nats/token")
        _finish(axes, points)

    return svg_chart(f"KL divergence from F16 against file size, {title}: {said}", SIZE, paint)


def _draw(axes: Any, points: Sequence[Point]) -> None:
    for own, colour, mark in ((True, OURS, "o"), (False, CONTROL, "s")):
        some = [one for one in points if one.own is own]
        down = [one.y - max(one.low, one.y * LOWEST) for one in some]
        up = [one.high - one.y for one in some]
        axes.errorbar(
            [one.x for one in some],
            [one.y for one in some],
            yerr=[down, up] if some else None,
            fmt=mark,
            color=colour,
            markerfacecolor=colour if own else "none",
            markersize=5,
            linewidth=1.2,
            capsize=3,
        )


def _finish(axes: Any, points: Sequence[Point]) -> None:
    axes.set_xlabel("file size, MB")
    axes.margins(x=0.16, y=0.16)
    axes.grid(alpha=0.25, color=INK, linewidth=0.5)
    ends = [(one.x, end) for one in points for end in (one.high, max(one.low, one.y * LOWEST))]
    place_names(axes, [Name(one.name, one.x, one.y, one.own) for one in points], NAME_SIZE, INK, ends)


SPEEDS: tuple[tuple[str, str, str], ...] = (
    ("writing, tokens a second", "decode", "wasm_decode"),
    ("reading a prompt, tokens a second", "prefill", "wasm_prefill"),
)


def speed_charts(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(title, `<svg>` element): tokens a second over megabytes, natively and in Chromium; none of what was not
    measured."""
    found = []
    for title, native, page in SPEEDS:
        rows = [row for row in model["files"] if not row["control"]]
        series = [(name, [(row["quant"], row["mb"], row[key]) for row in rows if row[key]]) for name, key in
                  (("here, natively", native), ("in Chromium", page))]  # fmt: skip
        if any(points for _, points in series):
            found.append((title, svg_chart(_said(title, model, series), SIZE, _speeds(title, series))))
    return found


Series = tuple[str, list[tuple[str, float, float]]]


def _said(title: str, model: Mapping[str, Any], series: Sequence[Series]) -> str:
    parts = [
        f"{name}: " + ", ".join(f"{quant} {y:,.0f}" for quant, _, y in points) for name, points in series if points
    ]
    return f"{model['name']}: {title} against file size; " + "; ".join(parts)


def _speeds(title: str, series: Sequence[Series]) -> Callable[[Any], None]:
    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for (name, points), colour, mark in zip(series, COLOURS, ("o", "s"), strict=True):
            if points:
                across, up = [x for _, x, _ in points], [y for _, _, y in points]
                axes.plot(across, up, mark, color=colour, label=name, markersize=5)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("file size, MB")
        axes.set_ylabel(title)
        axes.margins(x=0.16, y=0.2)
        axes.set_ylim(0, axes.get_ylim()[1])
        axes.grid(alpha=0.25, color=INK, linewidth=0.5)
        figure.legend(frameon=False, loc="outside upper left", ncols=2, fontsize=NAME_SIZE)
        first = next(points for _, points in series if points)
        others = [(x, y) for _, points in series if points is not first for _, x, y in points]
        place_names(axes, [Name(quant, x, y) for quant, x, y in first], NAME_SIZE, INK, others)

    return paint
