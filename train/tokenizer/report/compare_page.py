"""The page of `lilm tokenizer compare-init`: a table, and a curve for each start."""

from collections.abc import Mapping, Sequence
from typing import Any

from lilm.report.page import render_page
from lilm.report.svg import INK, svg_chart
from lilm.report.units import count, duration

BITS = "bits_per_byte_"
COLOURS = {
    "mean": "#2a78d6",
    "distillation": "#1a8f5a",
    "covariance": "#d9652b",
    "random": "#8a8f98",
    "frequency": "#8b5cd6",
}
TITLES = {"new_rows": "new rows only", "all": "all parameters"}
NAMES = {
    "mean": "mean of the sub-tokens' rows",
    "covariance": "near the mean of all rows",
    "frequency": "the mean, as likely as the text has the piece",
    "random": "noise, the control",
    "distillation": "mean, then distilled, as likely as the text has the piece",
}


def compare_page(found: Mapping[str, Any]) -> str:
    """found: as `compare_init` answers. The same figures give the same page."""
    from markupsafe import Markup

    language = found["languages"][0]
    groups = {
        trained: [trial for trial in found["trials"] if trial["trained"] == trained]
        for trained in dict.fromkeys(trial["trained"] for trial in found["trials"])
    }
    charts = {
        trained: Markup(_chart(f"{TITLES[trained]}, {language}", trials, BITS + language))  # noqa: S704 - our own SVG
        for trained, trials in groups.items()
    }
    return render_page(
        "lilm.train.tokenizer.report",
        "compare_init.html.jinja",
        {"count": count, "duration": duration},
        found=found,
        groups=groups,
        charts=charts,
        titles=TITLES,
        names=NAMES,
        bits=BITS,
        best={trained: _best(trials, BITS + language) for trained, trials in groups.items()},
        distilled=next((trial for trial in found["trials"] if trial["init"] == "distillation"), None),
    )


def _best(trials: Sequence[Mapping[str, Any]], key: str) -> str:
    best: str = min(trials, key=lambda trial: trial["curve"][-1][key])["init"]
    return best


def _chart(label: str, trials: Sequence[Mapping[str, Any]], key: str) -> str:
    curves = {
        trial["init"]: (COLOURS[trial["init"]], [(entry["step"], entry[key]) for entry in trial["curve"]])
        for trial in trials
    }
    return bits_chart(label, "step", curves)


def bits_chart(label: str, unit: str, curves: Mapping[str, tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """Bits per byte over `unit`. curves: by name, a colour and points."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for name, (colour, points) in curves.items():
            axes.plot(*zip(*points, strict=True), "o-", markersize=3, color=colour, label=name)
        axes.set(xlabel=unit, ylabel="bits per byte")
        axes.grid(alpha=0.25, color=INK, linewidth=0.5)
        figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=9)

    return svg_chart(f"Held-out bits per byte, {label}", (4.6, 3), paint)
