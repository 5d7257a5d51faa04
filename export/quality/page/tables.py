"""The cells of the page's tables, as text."""

from collections.abc import Mapping
from typing import Any

from lilm.export.quality.opened import REFERENCE
from lilm.export.quality.page.charts import kinds_of_text
from lilm.export.quality.page.choice import Row
from lilm.export.quality.written import KINDS
from lilm.report.units import count, three_digits

NONE = "–"
ORDER = ("token_embd", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "output")
MOST_BITS = 16.0  # are shown in the strongest colour

Cells = list[str]


def text_tables(model: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A table for each kind of text: {"title", "measured": on how much, "rows": [(row, cells)]}; the cells as
    TEXT_HEADS."""
    found = []
    for kind, context, title in kinds_of_text(model):
        on = model["measured_on"][kind][context]
        measured = (
            f"{count(on['tokens'])} tokens of {count(on['documents'])} {'chats' if kind == 'chat' else 'documents'}"
        )
        rows = [(row, _text_cells(row, row["texts"][kind][context])) for row in by_size(model)]
        found.append({"title": title, "measured": measured, "rows": rows})
    return found


TEXT_HEADS = (
    "MB",
    "KL divergence",
    "of 1,000 tokens\n999 have less",
    "same best\ntoken",
    "more bits\nthan F16",
    "bits per\nbyte",
)


def _text_cells(row: Row, figures: Mapping[str, Any]) -> Cells:
    return [
        size(row),
        _interval(figures["kld_mean"], ".5f"),
        _value(figures["kld_p999"], ".3f"),
        _value(figures["same_top"], ".1%"),
        _interval(figures["more_bits"], "+.2%"),
        _value(figures["bits_per_byte"], ".4f"),
    ]


WRITTEN_HEADS = (
    "MB",
    "loops",
    "other\nlanguage",
    "broken\ncharacters",
    "memory,\nMB",
    "loads\nin s",
    "in Chromium\nin s",
)


def written_rows(model: Mapping[str, Any]) -> list[tuple[Row, Cells]]:
    """(row, cells) as WRITTEN_HEADS: what goes wrong in free texts, and what a file asks of this machine."""
    return [
        (
            row,
            [
                size(row),
                *(_share(row, name) for name in KINDS),
                NONE if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}",
                NONE if row["load_s"] is None else f"{row['load_s']:.2f}",
                NONE if row["wasm_load_s"] is None else f"{row['wasm_load_s']:.2f}",
            ],
        )
        for row in by_size(model)
    ]


CHOICE_HEADS = ("MB", "right", "change\nfrom F16", "lost,\nwon", "margin,\nnats", "change\nfrom F16")


def choice_tables(model: Mapping[str, Any]) -> list[tuple[str, str, list[tuple[Row, Cells]]]]:
    """(task, how many questions and how they count, [(row, cells as CHOICE_HEADS)]) of each task."""
    rows = [row for row in by_size(model) if row.get("choices")]
    found = []
    for task, one in (rows[0]["choices"] if rows else {}).items():
        measured = f"{count(one['questions'])} questions, {one['metric']}"
        found.append((task, measured, [(row, _choice_cells(row, row["choices"][task])) for row in rows]))
    return found


def _choice_cells(row: Row, figures: Mapping[str, Any]) -> Cells:
    same = row["method"] == REFERENCE
    return [
        size(row),
        _with_ends(figures["accuracy"]),
        NONE if same else _interval(figures["change"], "+.1%"),
        NONE if same else f"{figures['lost']:,}, {figures['won']:,}",
        _value(figures["margin"], "+.3f"),
        NONE if same else _interval(figures["margin_change"], "+.3f"),
    ]


def by_size(model: Mapping[str, Any]) -> list[Row]:
    """The files, largest first."""
    return sorted(model["files"], key=lambda row: (-row["mb"], row["quant"]))


def bits_table(model: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[tuple[str, str]]]]]:
    """(files, [(kind of matrix, [(mean bits per weight, types) of each file])]); the F16 file is left out."""
    files = [row for row in by_size(model) if row["method"] != REFERENCE]
    kinds = [kind for kind in ORDER if any(kind in row["matrices"] for row in files)]
    return [row["quant"] for row in files], [(kind, [_bits(row, kind) for row in files]) for kind in kinds]


def strips(model: Mapping[str, Any]) -> list[tuple[str, str, list[tuple[str, list[tuple[str, str]]]]]]:
    """(file, what a screen reader says, [(kind of matrix, [(colour's share, title) of each layer])]) of each file to
    ship whose layers have different types."""
    found = []
    for row in (one for one in by_size(model) if not one["control"]):
        layered = {
            kind: row["matrices"][kind] for kind in ORDER if len(row["matrices"].get(kind, {"types": []})["types"]) > 1
        }
        if any(len(set(one["types"])) > 1 for one in layered.values()):
            said = "; ".join(f"{kind} {', '.join(one['types'])}" for kind, one in layered.items())
            lines = [(kind, [_cell(at, *both) for at, both in enumerate(zip(one["types"], one["bits"], strict=True))])
                     for kind, one in layered.items()]  # fmt: skip
            found.append((row["quant"], f"Types by layer of {row['quant']}: {said}", lines))
    return found


def _cell(layer: int, kind: str, bits: float) -> tuple[str, str]:
    return f"{100 * min(bits, MOST_BITS) / MOST_BITS:.0f}%", f"layer {layer}: {kind}, {bits:.2f} bits per weight"


def _bits(row: Row, kind: str) -> tuple[str, str]:
    found = row["matrices"].get(kind)
    if found is None:
        return NONE, ""
    return f"{sum(found['bits']) / len(found['bits']):.2f}", ", ".join(sorted(set(found["types"])))


def size(row: Row) -> str:
    return three_digits(row["mb"])


def _value(figures: Mapping[str, Any] | None, form: str) -> str:
    return NONE if figures is None else format(figures["value"], form)


def _interval(figures: Mapping[str, Any] | None, form: str) -> str:
    """The value and half the width of its 95% interval."""
    if figures is None:
        return NONE
    low, high = figures["ci95"]
    return f"{figures['value']:{form}} ± {format((high - low) / 2, form.lstrip('+')).rstrip('%')}"


def _share(row: Row, name: str) -> str:
    found = (row["written"] or {}).get(name)
    return NONE if found is None else _with_ends(found)


def _with_ends(share: Mapping[str, Any]) -> str:
    return f"{share['value']:.0%} ({share['ci95'][0]:.0%} to {share['ci95'][1]:.0%})"
