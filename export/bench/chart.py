"""The chart of quality against size, as SVG text that is the same for the same report."""

from collections.abc import Sequence
from typing import Any

from lilm.report.labels import Name, place_names
from lilm.report.svg import COLOURS, INK, svg_chart

SIZE = (4.8, 7.2)  # inches
NAME_SIZE = 8.5  # of the font, in points
LINE: Any = {"linewidth": 1.6, "markersize": 5}


def quality_chart(report: dict[str, Any]) -> str:
    """Two panels over the files' megabytes, one above the other so that a phone shows them large enough: KL divergence
    from the full file (± 2 SE), and how much larger its bits per byte are.

    Returns an `<svg>` element without XML head; its text has the colour of the page around it.
    """
    files = sorted(report["files"], key=lambda file: (file["bytes"], file["name"]))

    def paint(figure: Any) -> None:
        divergence, bits = figure.subplots(2, 1)
        sizes = [file["bytes"] / 1e6 for file in files]
        for lang, colour in zip(report["languages"], COLOURS, strict=False):
            _divergence(divergence, files, lang, colour)
            bits.plot(sizes, _more_bits(report, files, lang), "o-", color=colour, label=lang, **LINE)
        for axes in (divergence, bits):
            axes.set_xlabel("file size, MB")
            axes.margins(x=0.16, y=0.2)
            axes.grid(alpha=0.25, color=INK, linewidth=0.5)
        divergence.set_ylabel("KL divergence from F16, nats/token")
        bits.set_ylabel("bits per byte, % more than F16")
        figure.legend(*bits.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
        learnt, *others = report["languages"]
        for axes, values in (
            (
                divergence,
                lambda lang: [file["quality"][lang]["kld_mean"] or None for file in files],
            ),  # its axis has no 0
            (bits, lambda lang: _more_bits(report, files, lang)),
        ):
            _name_points(axes, files, values(learnt), [values(lang) for lang in others])

    return svg_chart("KL divergence and bits per byte against file size", SIZE, paint)


def _divergence(axes: Any, files: list[dict[str, Any]], lang: str, colour: str) -> None:
    points = [file for file in files if file["quality"][lang]["kld_mean"]]
    if not points:
        return
    axes.set_yscale("log")
    means = [file["quality"][lang]["kld_mean"] for file in points]
    # On a log axis an error bar must not reach zero.
    up = [2 * (file["quality"][lang]["kld_se"] or 0) for file in points]
    down = [min(reach, mean * 0.9) for reach, mean in zip(up, means, strict=True)]
    sizes = [file["bytes"] / 1e6 for file in points]
    axes.errorbar(sizes, means, yerr=[down, up], fmt="o-", color=colour, capsize=3, **LINE)


def _more_bits(report: dict[str, Any], files: list[dict[str, Any]], lang: str) -> list[float]:
    """Per cent by which each file's bits per byte exceed those of the full file."""
    full = report["files"][0]["quality"][lang]["bits_per_byte"]
    return [(file["quality"][lang]["bits_per_byte"] / full - 1) * 100 for file in files]


def _name_points(
    axes: Any, files: list[dict[str, Any]], values: Sequence[float | None], others: Sequence[Sequence[float | None]]
) -> None:
    """Names beside the points, where no other point or name is. others: values of other languages' points."""

    def points(found: Sequence[float | None]) -> list[tuple[dict[str, Any], float]]:
        return [(file, value) for file, value in zip(files, found, strict=True) if value is not None]

    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())  # no name moves them
    names = [Name(file["quant"], file["bytes"] / 1e6, value) for file, value in points(values)]
    taken = [(file["bytes"] / 1e6, value) for found in others for file, value in points(found)]
    place_names(axes, names, NAME_SIZE, INK, taken)
