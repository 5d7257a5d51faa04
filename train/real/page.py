"""The results as a page of Markdown, and as a table on the screen: every figure out of the JSON, none typed."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.disk import write_atomic
from lilm.progress import clock
from lilm.report.svg import svg_chart
from lilm.train.real.prompts import CHATS, ENGLISH, JAPANESE
from lilm.train.real.table import MAIN

MARK = "<!-- by hand below -->"
BY_HAND = f"\n{MARK}\n\n## What is still bad\n"
COLOURS = ("#d9652b", "#8a8a8a", "#2fa36b", "#2a78d6", "#8b5cd6", "#c9a227")
CHECKS = (
    "ja_bpb_before",
    "ja_bpb_after_stage1",
    "tokens_per_s",
    "tokens_per_s_trainer",
    "chars_per_token_before",
    "chars_per_token_after",
    "chars_per_token_default_install",
    "token_mismatches",
    "logits_max_diff_gguf",
    "template_equal",
)
_STEPS = {"base": "the base", "pretrain": "before the chats"}
SETTINGS = ("steps", "lr", "batch_size", "learning_rate", "init", "replay", "method", "rank", "share_of_base")


def write_page(path: Path, figures: Mapping[str, Any]) -> None:
    """The page at `path`, whose part below MARK stays when there is one, and its picture beside it."""
    picture = path.with_suffix(".svg")
    write_atomic(picture, curves(figures))
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_atomic(path, page(figures, picture.name, before))


def page(figures: Mapping[str, Any], picture: str, before: str = "") -> str:
    """picture: name of the curves' file. before: the page as it stands, whose part below MARK stays."""
    parts = [
        _head(figures),
        _contenders(figures),
        f"## The curves\n\n![bits per byte over minutes of training]({picture})\n",
        _rates(figures),
        _checks(figures),
        _files(figures),
        _answers(figures),
        _samples(figures),
        _cost(figures),
    ]
    kept = before.partition(MARK)
    return "\n".join(part for part in parts if part) + (f"\n{MARK}{kept[2]}" if kept[1] else BY_HAND)


def curves(figures: Mapping[str, Any]) -> str:
    """An SVG file: bits per byte of both languages over the seconds of training, a line for each contender."""

    def paint(figure: Any) -> None:
        axes = figure.subplots(1, 2)
        for place, (language, title) in enumerate((("ja", "Japanese"), ("en", "English"))):
            for number, (name, outcome) in enumerate(figures["contenders"].items()):
                points = [(point["seconds"] / 60, point[language]) for point in outcome["curve"]]
                colour = COLOURS[number % len(COLOURS)]
                axes[place].plot(*zip(*points, strict=True), marker="o", markersize=3, color=colour, label=name)
            axes[place].set(title=f"{title}, held-out bits per byte", xlabel="minutes of training")
        axes[1].legend(frameon=False)

    svg = svg_chart("bits per byte of held-out text over minutes of training", (10, 3.6), paint)
    return re.sub("currentColor", "#777", svg) + "\n"  # alone in a file it has no page to take a colour from


def results_table(figures: Mapping[str, Any]) -> Table:
    minutes = figures["seconds_each"] / 60
    table = Table(title=f"{figures['base']}, {minutes:g} minutes each", title_justify="left")
    for name in HEADS:
        table.add_column(name, justify="left" if name == HEADS[0] else "right")
    for row in _rows(figures):
        table.add_row(*row)
    return table


HEADS = ("", "Japanese", "English", "seconds", "tokens", "tokens/s", "peak MB")


def _rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    ja, en = figures["ja_bpb_before"], figures["en_bpb_before"]
    rows: list[tuple[str, ...]] = [("the base, before", f"{ja:.3f}", f"{en:.3f}", "", "", "", "")] if ja else []
    for name, outcome in figures["contenders"].items():
        last = outcome["curve"][-1]
        rows.append(
            (
                figures["titles"][name],
                f"{last['ja']:.3f} ({last['ja'] / ja - 1:+.1%})",
                f"{last['en']:.3f} ({last['en'] / en - 1:+.1%})",
                f"{outcome['seconds']:,.0f}",
                f"{outcome['tokens']:,}",
                f"{outcome['tokens_per_s']:,.0f}",
                f"{outcome['peak_memory_mb']:,.0f}",
            )
        )
    return rows


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, ("---", *("---:" for _ in heads[1:])), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(text: str) -> str:
    """Text of a model on one line that no Markdown or HTML in it can break."""
    flat = " ".join(text.split()).replace("\\", "\\\\")
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|"), ("`", "\\`"), ("*", "\\*")):
        flat = flat.replace(mark, safe)
    return flat.replace("![", "!\\[").replace("](", "]\\(")


def _head(figures: Mapping[str, Any]) -> str:
    minutes = figures["seconds_each"] / 60
    variants = [name for name in figures["titles"] if name not in MAIN]
    title = "What teaches best" if variants else "A real model"
    return f"""# {title}: {figures["base"]} learns Japanese

Written by `{_command(figures, variants)}`; no figure here was typed.
Each contender had {minutes:g} minutes of training on {figures["device"]}, {figures["threads"]} threads. The number of
its steps follows from its speed, measured in turn with the others' before, and its seconds are these steps at that
speed, whatever else ran on the machine since. Bits per UTF-8 byte are of held-out documents that no training and no
choice saw; lower is better.
"""


def _command(figures: Mapping[str, Any], variants: Sequence[str]) -> str:
    options = [f"--minutes {figures['minutes']:g}"]
    options += [f"--variants {','.join(variants)}"] if variants else []
    options += ["--choose-rates", figures["choose_rates"]] if figures.get("rates_tried") else []
    options += [f"--skip {','.join(figures['skipped'])}"] if figures["skipped"] else []
    return f"lilm bench real --data DATA {' '.join(options)} --markdown FILE"


def _contenders(figures: Mapping[str, Any]) -> str:
    chosen = []
    for name, outcome in figures["contenders"].items():
        settings = outcome["settings"]
        flat = settings.get("stage2", {}) | {key: value for key, value in settings.items() if key in SETTINGS}
        told = ", ".join(f"{key} {flat[key]}" for key in SETTINGS if key in flat)
        chosen.append(f"- {figures['titles'][name]}: {told}")
    return "## Equal seconds\n\n" + _table(HEADS, _rows(figures)) + "\n" + "\n".join(chosen) + "\n"


def _rates(figures: Mapping[str, Any]) -> str:
    tried = figures.get("rates_tried")
    if not tried:
        return ""
    rows = [
        (
            name,
            rate,
            f"{found['ja']:.3f}",
            f"{found['en']:.3f}",
            "taken" if float(rate) == figures["rates"][name] else "",
        )
        for name, rates in tried.items()
        for rate, found in rates.items()
    ]
    words = (
        "Each rate had a fifth of the minutes, after what is done once; the figures are of a second held-out text.\n\n"
    )
    return "## Learning rates\n\n" + words + _table(("", "rate", "Japanese", "English", ""), rows)


def _checks(figures: Mapping[str, Any]) -> str:
    rows = [(name, _spoken(figures[name])) for name in CHECKS]
    lines = figures.get("lines_compared")
    if lines:
        rows.append(("lines compared", ", ".join(f"{count:,} {lang}" for lang, count in lines.items())))
    return "## Checks\n\n" + _table(("", "found"), rows)


def _spoken(value: Any) -> str:
    if value is None:
        return "not measured"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _files(figures: Mapping[str, Any]) -> str:
    if "quality" not in figures:
        return ""
    sizes = {name.removeprefix("model-").removesuffix(".gguf"): n for name, n in figures["gguf_bytes"].items()}
    steps = figures.get("steps", {})  # runs of before have none
    rows = [(words, "", *_bits(steps[name]), "") for name, words in _STEPS.items() if name in steps]
    for quant, quality in figures["quality"].items():
        size = sizes[quant if quant in sizes else quant.lower()] / 1e6
        kld = quality["ja"].get("kld_mean")
        rows.append((quant, f"{size:,.1f}", *_bits(quality), "" if kld is None else f"{kld:.4f}"))
    words = "All rows are of one text, of fewer documents than the first table's.\n\n"
    return "## The files, after the chats\n\n" + words + _table(("", "MB", "Japanese", "English", "KLD (ja)"), rows)


def _bits(quality: Mapping[str, Any]) -> list[str]:
    return [f"{quality[lang]['bits_per_byte']:.3f}" for lang in ("ja", "en")]


def _answers(figures: Mapping[str, Any]) -> str:
    if "answers" not in figures:
        return ""
    quants = tuple(figures["answers"])
    rows = [(chat, *(figures["answers"][quant][chat] for quant in quants)) for chat in CHATS]
    return "## What it answers, greedily\n\n" + _table(("", *quants), rows)


def _samples(figures: Mapping[str, Any]) -> str:
    if "samples" not in figures:
        return ""
    parts = ["## Ten unchosen samples of each language\n\nThe full file goes on with fixed beginnings, greedily.\n"]
    for prompts in (JAPANESE, ENGLISH):
        parts.append(_table(("beginning", "goes on"), [(one, figures["samples"][one]) for one in prompts]))
    return "\n".join(parts)


def _cost(figures: Mapping[str, Any]) -> str:
    outcomes = figures["contenders"].values()
    trained = sum(outcome["seconds"] for outcome in outcomes)
    most = max(figures["peak_memory_mb"], *(outcome["peak_memory_mb"] for outcome in outcomes))  # one may be kept
    return f"""## What it cost

{clock(trained)} of training in all, {clock(figures["bench_seconds"])} for the last start of the bench with everything
around it, {most / 1000:.1f} GB of memory at most.
"""
