"""The report's charts: tokenizers side by side, pieces by length and kind, and what a larger vocabulary buys."""

from collections.abc import Mapping, Sequence
from typing import Any

from lilm.report.svg import COLOURS, INK, svg_chart

WIDTH = 4.2  # inches; a screen shows two side by side, a phone one
KIND_COLOURS = ("#2a78d6", "#d9652b", "#1a8f5a", "#8e5bc0", "#c2912e", "#5a9bd4", "#8a8f98", "#b8475f", "#4f5d75")
IN_CURVE = ("F16", "Q8_0", "Q4_K_M")


def density_chart(tokenizers: Sequence[Mapping[str, Any]], text: str) -> str:
    """Characters a token of `text` holds, a bar for each tokenizer."""
    values = [one["texts"][text]["chars_per_token"] for one in tokenizers]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for at, (one, value) in enumerate(zip(tokenizers, values, strict=True)):
            axes.barh(at, value, height=0.36, color=COLOURS[at == 1])
            axes.text(0, at - 0.24, f"{one['name'][:40]} · {one['vocab_size']:,} pieces", va="bottom", fontsize=9)
            axes.text(value, at, f" {value:.2f}", va="center", fontsize=9)
        axes.set(xlim=(0, max(values) * 1.12), ylim=(len(values) - 0.6, -0.75), xticks=[], yticks=[])
        axes.spines[:].set_visible(False)

    return svg_chart(f"Characters a token of {text} holds", (WIDTH, 0.3 + 0.45 * len(values)), paint)


def length_chart(label: str, table: Mapping[str, Mapping[str, int]]) -> str:
    """Pieces by their length, stacked by kind."""
    lengths = sorted({length for row in table.values() for length in row})
    kinds = list(table)[: len(KIND_COLOURS)]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        below = [0] * len(lengths)
        for kind, colour in zip(kinds, KIND_COLOURS, strict=False):
            heights = [table[kind].get(length, 0) for length in lengths]
            axes.bar(lengths, heights, bottom=below, color=colour, label=kind, width=0.7)
            below = [low + height for low, height in zip(below, heights, strict=True)]
        axes.set(xlabel="characters", ylabel="pieces")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)

    return svg_chart(f"{label} by length", (WIDTH, 3.1), paint)


def curve_chart(curve: Sequence[Mapping[str, Any]], language: str) -> str:
    """Characters a token over the size of the vocabulary, and the megabytes of both matrices."""
    at = [point["vocab_size"] for point in curve]

    def paint(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1)
        upper.plot(at, [point["chars_per_token"] for point in curve], "o-", markersize=3, color=COLOURS[1])
        upper.set_title(f"characters a token, {language}", loc="left", fontsize=10)
        upper.set_ylim(bottom=0)
        for file_type, style in zip(IN_CURVE, ("-", "--", ":"), strict=True):
            values = [point["mb"][file_type] for point in curve]
            lower.plot(at, values, style, color=COLOURS[0], label=file_type)
        lower.set_title("MB of the embeddings", loc="left", fontsize=10)
        lower.set_ylim(bottom=0)
        lower.legend(frameon=False, fontsize=8)
        for axes in (upper, lower):
            axes.set_xlabel("pieces")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.locator_params(axis="x", nbins=4)
            axes.grid(alpha=0.25, color=INK, linewidth=0.5)

    return svg_chart("What a larger vocabulary buys", (WIDTH, 5.6), paint)
