"""The rank report as a page: the answer, what LoRA reaches, and the ranks of the change."""

import statistics
from collections.abc import Mapping
from typing import Any

from lilm.report.page import render_page
from lilm.report.svg import COLOURS, INK, svg_chart
from lilm.report.units import count, size
from lilm.train.pretrain.rank_answer import NEAR, chosen

SIZE = (5.2, 3.2)
SHARES = ("rank90", "rank95", "rank99")


def rank_page(report: Mapping[str, Any]) -> str:
    """One HTML page of what `rank_report` answers; the same for the same figures."""
    from markupsafe import Markup

    languages = (report["language"], report["base_language"])
    return render_page(
        "lilm.train.pretrain",
        "rank.html.jinja",
        {"count": count, "size": size},
        report=report,
        best=chosen(report),
        near=NEAR,
        modules=_by_module(report["changes"]),
        layers=_by_layer(report["changes"]),
        # Our own SVG, in which all text is escaped.
        reached=[Markup(_reached_chart(report, lang)) for lang in languages] if report["lora"] else [],  # noqa: S704
        energy=Markup(_energy_chart(report["changes"])),  # noqa: S704
    )


def _by_module(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians over the layers, in the order of the layer's matrices."""
    rows = []
    for module in dict.fromkeys(change["module"] for change in changes):
        these = [change for change in changes if change["module"] == module]
        row = {share: round(statistics.median(change[share] for change in these)) for share in SHARES}
        relative = statistics.median(change["relative"] for change in these)
        rows.append({"module": module, "full": these[0]["full"], "relative": relative, **row})
    return rows


def _by_layer(changes: list[dict[str, Any]]) -> dict[int, dict[str, dict[str, Any]]]:
    table: dict[int, dict[str, dict[str, Any]]] = {}
    for change in changes:
        table.setdefault(change["layer"], {})[change["module"]] = change
    return table


def _reached_chart(report: Mapping[str, Any], language: str) -> str:
    """Bits per byte in a language over the rank, with what all parameters reach as a line."""
    own = language == report["language"]
    key = f"bits_per_byte_{language}"
    ranks = [trial["rank"] for trial in report["lora"]]
    level = report["full"]["bits"][key]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot(ranks, [trial["bits"][key] for trial in report["lora"]], "o-", color=COLOURS[not own], label="LoRA")
        axes.axhline(level, color=INK, linewidth=1.2, label="all parameters")
        if own:
            axes.axhspan(level, level * (1 + NEAR), color=INK, alpha=0.08)
        axes.axhline(report["begun"][key], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="at the start")
        axes.set_xscale("log", base=2)
        axes.set_xticks(ranks, [str(rank) for rank in ranks])
        axes.set(xlabel="rank", ylabel=f"bits per byte, {language}")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)

    return svg_chart(f"Bits per byte that LoRA reaches, by rank, {language}", SIZE, paint)


def _energy_chart(changes: list[dict[str, Any]]) -> str:
    """Share of the change's energy that the first singular values hold: a line for each module, medians over layers."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for number, module in enumerate(dict.fromkeys(change["module"] for change in changes)):
            these = [change["energy"] for change in changes if change["module"] == module]
            ranks = [int(rank) for rank in these[0]]
            held = [statistics.median(one[str(rank)] for one in these) for rank in ranks]
            style = ("-", "--", ":", "-.")[number // 2]
            axes.plot(ranks, held, style, color=COLOURS[number % 2], label=module)
        for share in (0.9, 0.95, 0.99):
            axes.axhline(share, color=INK, linewidth=0.6, alpha=0.5)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set(xlabel="singular values", ylabel="energy held", ylim=(0, 1.02))
        figure.legend(loc="outside lower center", ncols=3, frameon=False)

    return svg_chart("Energy of the change by rank", (SIZE[0], 1.3 * SIZE[1]), paint)
