"""The page that shows two runs' files side by side."""

from collections.abc import Sequence
from typing import Any

from lilm.export.quality.page.charts import NAME_SIZE, SIZE
from lilm.export.quality.page.compare import Comparison, File
from lilm.export.quality.page.html import PACKAGE
from lilm.report.labels import Name, place_names
from lilm.report.languages import language_name
from lilm.report.page import render_page
from lilm.report.svg import COLOURS, INK, svg_chart
from lilm.report.units import three_digits

NONE = "–"


def compare_page(found: Comparison) -> str:
    """The whole HTML page, self-contained."""
    from markupsafe import Markup

    charts = [(title, Markup(chart)) for title, chart in _charts(found)]  # noqa: S704 - our own SVG, its text escaped
    kinds = [(kind, "chats" if kind == "chat" else language_name(kind)) for kind in found.kinds]
    rows = [(file, _cells(file, found.kinds)) for file in found.files]
    return render_page(
        PACKAGE, "compare.html.jinja", found=found, charts_drawn=charts, kinds=kinds, rows=rows, colours=COLOURS
    )


def _cells(file: File, kinds: Sequence[str]) -> list[str]:
    cells = [three_digits(file.mb)]
    for kind in kinds:
        one = file.by_kind.get(kind)
        if kind != "chat":
            cells.append(NONE if one is None or one.bits_per_byte is None else f"{one.bits_per_byte:.4f}")
        if one is None or one.kld is None:
            cells.append(NONE)
        elif one.low is None or one.high is None:
            cells.append(f"{one.kld:.5f} (too little to tell how sure)")
        else:
            cells.append(f"{one.kld:.5f} ± {(one.high - one.low) / 2:.5f}")
    return [*cells, NONE if file.tokens_per_second is None else f"{file.tokens_per_second:,.0f}"]


def _charts(found: Comparison) -> list[tuple[str, str]]:
    """(title, `<svg>`): bits per byte over megabytes in each language, which two models can be compared by."""
    charts = []
    for lang in found.runs[0].languages:
        points = [(file, one.bits_per_byte) for file in found.files if (one := file.by_kind.get(lang))]
        known = [(file, value) for file, value in points if value is not None]
        title = f"{language_name(lang)} text"
        said = "; ".join(f"{file.run} {file.quant} {file.mb:.4g} MB {value:.4f}" for file, value in known)
        charts.append(
            (title, svg_chart(f"Bits per byte against file size, {title}: {said}", SIZE, _paint(found, known)))
        )
    return charts


def _paint(found: Comparison, points: Sequence[tuple[File, float]]) -> Any:
    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for run, colour, mark in zip(found.runs, COLOURS, ("o", "s"), strict=True):
            some = sorted((file.mb, value) for file, value in points if file.run == run.label and not file.control)
            axes.plot([x for x, _ in some], [y for _, y in some], mark, color=colour, label=run.label, markersize=5)
        axes.set_xlabel("file size, MB")
        axes.set_ylabel("bits per byte")
        axes.margins(x=0.16, y=0.2)
        axes.grid(alpha=0.25, color=INK, linewidth=0.5)
        own = [(file, value) for file, value in points if not file.control]
        for text in figure.legend(frameon=False, loc="outside upper left", fontsize=NAME_SIZE).get_texts():
            text.set_parse_math(False)  # a folder's name may hold dollars
        names = [Name(file.quant, file.mb, value, _is_best(file, value, own)) for file, value in own]
        place_names(axes, names, NAME_SIZE, INK)

    return paint


def _is_best(file: File, value: float, points: Sequence[tuple[File, float]]) -> bool:
    """Whether no other file of its run beats it in both megabytes and bits per byte; its name is needed then."""
    others = [(other, bits) for other, bits in points if other.run == file.run and other is not file]
    return not any(other.mb <= file.mb and bits <= value for other, bits in others)
