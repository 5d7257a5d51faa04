"""report.html of a training run: the curves, the figures, and what the model wrote on the way."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.report.page import render_page
from lilm.report.svg import COLOURS, INK, svg_chart
from lilm.report.units import count, percent

POINTS = 400  # a longer curve is drawn by means of so many stretches
BITS = "bits_per_byte_"


def write_report(
    title: str,
    metrics: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
    path: Path,
    note: str = "",
    answers: Sequence[Mapping[str, str]] = (),
    unit: str = "nats per token",
) -> None:
    """metrics: entries of `train`, with `stage`; figures: `tokens_per_s`, and `mfu` where it is known. note: a line
    below them, without its full stop. answers: {question, before, after, wanted} of chats. unit: of the loss."""
    from markupsafe import Markup

    steps = [entry for entry in metrics if "loss" in entry]
    measured = [entry for entry in metrics if any(name.startswith(BITS) for name in entry)]
    charts = [
        (f"training loss, {unit}", _curve("Training loss", steps, "loss")),
        ("gradient norm before clipping", _curve("Gradient norm", steps, "grad_norm", logarithmic=True)),
        ("learning rate", _curve("Learning rate", steps, "lr")),
    ]
    if measured:
        charts.insert(1, ("held-out bits per byte", _bits(measured)))
    page = render_page(
        "lilm.train.trainer",
        "training.html.jinja",
        title=title,
        headline=_headline(steps, figures, unit),
        charts=[(caption, Markup(chart)) for caption, chart in charts],  # noqa: S704 - our own SVG
        measured=measured,
        languages=_languages(measured),
        samples=[entry for entry in measured if entry.get("samples")],
        bits=BITS,
        note=note,
        answers=answers,
    )
    write_atomic(path, page)


def _headline(steps: Sequence[Mapping[str, Any]], figures: Mapping[str, Any], unit: str) -> list[tuple[str, str]]:
    found = [(count(len(steps)), "steps")]
    if steps:
        found.append((f"{steps[-1]['loss']:#.4g}", f"loss, {unit}"))
    if figures.get("tokens_per_s"):
        found.append((count(round(figures["tokens_per_s"])), "tokens per second"))
    if figures.get("mfu"):
        found.append((percent(figures["mfu"]), "of the hardware's FLOPs (MFU)"))
    return found


def _languages(measured: Sequence[Mapping[str, Any]]) -> list[str]:
    names = {name: None for entry in measured for name in entry if name.startswith(BITS)}
    return [name.removeprefix(BITS) for name in names]


def _curve(label: str, entries: Sequence[Mapping[str, Any]], key: str, logarithmic: bool = False) -> str:
    points = _thinned([(entry["step"], entry[key]) for entry in entries])
    stages = [(entry.get("stage", 1), entry["step"]) for entry in entries]
    border = next((step for (stage, _), (later, step) in pairwise(stages) if stage < later), None)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([x for x, _ in points], [y for _, y in points], color=COLOURS[0], linewidth=1.2)
        if border is not None:
            axes.axvline(border - 0.5, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
        if logarithmic and points and min(y for _, y in points) > 0:
            axes.set_yscale("log")
        axes.set(xlabel="step", ylabel=label.lower())
        axes.grid(alpha=0.25, color=INK, linewidth=0.5)

    return svg_chart(label, (4.4, 2.4), paint)


def _bits(measured: Sequence[Mapping[str, Any]]) -> str:
    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for at, language in enumerate(_languages(measured)):
            points = [(entry["step"], entry[BITS + language]) for entry in measured if BITS + language in entry]
            axes.plot(*zip(*points, strict=True), "o-", markersize=3, color=COLOURS[at % 2], label=language)
        axes.set(xlabel="step", ylabel="bits per byte")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.25, color=INK, linewidth=0.5)
        figure.legend(loc="outside upper right", ncols=2, frameon=False, fontsize=9)

    return svg_chart("Held-out bits per byte", (4.4, 2.4), paint)


def _thinned(points: list[tuple[int, float]]) -> list[tuple[float, float]]:
    """POINTS means over equal stretches, or the points themselves when there are no more."""
    if len(points) <= POINTS:
        return list(points)
    edges = [round(at * len(points) / POINTS) for at in range(POINTS + 1)]
    stretches = [points[start:stop] for start, stop in pairwise(edges)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in stretches]
