"""The page of `lilm tokenizer compare-sizes`: a table, a curve for each size, and what may still change."""

from collections.abc import Mapping
from typing import Any

from lilm.report.page import render_page
from lilm.report.units import count, duration, three_digits
from lilm.train.tokenizer.report.charts import KIND_COLOURS
from lilm.train.tokenizer.report.compare_page import BITS, bits_chart


def sizes_page(found: Mapping[str, Any]) -> str:
    """found: as `compare_sizes` answers. The same figures give the same page."""
    from markupsafe import Markup

    charts = {}
    for language in found["languages"]:
        curves = {
            f"{pilot['pieces']:,}": (
                KIND_COLOURS[at % len(KIND_COLOURS)],
                [(entry["seconds"] / 60, entry[BITS + language]) for entry in pilot["curve"]],
            )
            for at, pilot in enumerate(found["pilots"])
        }
        charts[language] = Markup(bits_chart(language, "minutes of computing", curves))  # noqa: S704 - our own SVG
    return render_page(
        "lilm.train.tokenizer.report",
        "compare_sizes.html.jinja",
        {"count": count, "duration": duration, "three_digits": three_digits},
        found=found,
        charts=charts,
        bits=BITS,
        file_types=list(found["pilots"][0]["mb"]),
        outlook=[outlook(found, crossing) for crossing in found["crossings"]],
    )


def outlook(found: Mapping[str, Any], crossing: Mapping[str, Any]) -> str:
    """What the curves say of a size that is behind."""
    name = f"{crossing['pieces']:,} pieces"
    if crossing["verdict"] == "crosses":
        low, high = crossing["between"]
        return (
            f"{name} may pass {found['best']:,} after {duration(low)} to {duration(high)} of computing "
            f"({crossing['share']:.0%} of the draws)."
        )
    if crossing["verdict"] == "stays above":
        why = f", as {crossing['why']}" if crossing["why"] else ""
        return f"{name}: no sign that they pass {found['best']:,} within the planned training{why}."
    ahead = f"{found['best']:,} within the planned training"
    return f"{name}: too little to tell whether they pass {ahead} ({crossing['why']})."
