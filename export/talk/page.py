"""The figures of `lilm bench chat` for people: a table for the terminal, and a page of Markdown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from lilm.disk import write_atomic
from lilm.export.quality.interval import value_of
from lilm.progress import clock
from lilm.report.markdown import plain, table

HEADS = (
    "tuned by",
    "bits/byte of held-out answers",
    "in its own template",
    "answers that end",
    "in the question's language",
    "in circles",
    "empty",
    "seconds",
)


def tuning_table(figures: Mapping[str, Any]) -> Table:
    """One row for each way of tuning."""
    shown = Table(title="what chat tuning is worth", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, heading in enumerate(HEADS):
        shown.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in _rows(figures):
        shown.add_row(*row)
    return shown


def write_page(path: Path, figures: Mapping[str, Any]) -> None:
    """figures: of `lilm bench chat` with --data."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, _page(figures))


def preferred_lines(figures: Mapping[str, Any]) -> list[str]:
    """What training on pairs did, in words."""
    dpo = figures["dpo"]
    kinds = ", ".join(
        f"{kind} {_share(dpo['before'][kind])} → {_share(dpo['after'][kind])}"
        for kind in dpo["before"]
        if kind != "all" and dpo["before"][kind] is not None
    )
    before, after = (_share(figures[f"dpo_preferred_{when}"]) for when in ("before", "after"))
    in_all = [_share(figures[f"dpo_preferred_in_all_{when}"]) for when in ("before", "after")]
    return [
        f"of {dpo['measured']} pairs that were not learnt the chosen answer is the likelier one by token in {before} "
        f"before {dpo['pairs']} others were learnt, {after} after; in all, by which the shorter one mostly is, in "
        f"{in_all[0]} and {in_all[1]}",
        f"by what was rejected: {kinds}",
        f"held-out answers cost {figures['dpo_bpb_rise']:+.2%} bits after it",
    ]


def _rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            row["title"],
            f"{row['answer_bpb']:.3f}",
            f"{row['answer_bpb_own']:.3f}" if "answer_bpb_own" in row else "",
            *(_share(value_of(row[name])) for name in ("ends_by_eos", "in_language", "loops", "empty")),
            "–" if row["seconds"] is None else f"{row['seconds']:,.0f}",
        )
        for row in figures["ways"].values()
    ]


def _page(figures: Mapping[str, Any]) -> str:
    chats, rows = figures["chats"], [[plain(cell) for cell in row] for row in _rows(figures)]
    ours = figures["ways"]["finetune"]
    settings = [
        f"- {plain(row['title'])}: " + plain(", ".join(f"{key} {value}" for key, value in row["settings"].items()))
        for row in figures["ways"].values()
        if row["settings"]
    ]
    told = "\n".join(f"- {plain(line)}" for line in preferred_lines(figures))
    dpo = plain(", ".join(f"{key} {value}" for key, value in figures["dpo"]["settings"].items()))
    crowd = _crowd(figures.get("crowd"))
    return f"""# What chat tuning is worth: {plain(figures["run"])}

Written by `lilm bench chat RUN --data DATA --generations {ours["answers"]} --markdown FILE`; no figure here was typed.
All ways begin with the run's pretrained model and learn the same {chats["learnt"]:,} chats in as many steps. Measured
are {chats["tested"]:,} others ({chats["tested_bytes"]:,} bytes of answers), and {ours["answers"]:,} answers that each
model draws to their questions as the page draws, of at most {ours["n_predict"]} tokens. {chats["too_long"]:,} exchanges
that are longer than the window are in no part.

{table(HEADS, rows, right=len(HEADS) - 1)}

Bits per UTF-8 byte, lower is better, are all taken in the run's own chat template, in which it is used; a model that
was taught in another one has its figure there beside it, and draws its answers in it.

{chr(10).join(settings)}

## Pairs of answers

{told}
- {dpo}
{crowd}
The tuning took {clock(figures["tuning_s"])} in the last start of the bench, {figures["threads"]} threads,
{plain(figures["cpu"])}.
"""


def _crowd(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    told = "\n".join(f"- {plain(line)}" for line in crowd_lines(found))
    return f"\n## A crowd at `lilm chat`\n\n{told}\n\n"


def crowd_lines(found: Mapping[str, Any]) -> list[str]:
    """What a crowd did to the server, in words."""
    first, last = found["memory_mb"]
    grown = found["memory_mb_per_minute"]
    return [
        f"{found['clients']} visitors, {found['faulty']} of whom break the rules, for {clock(found['seconds'])}: "
        f"{found['answers']:,} answers, {found['lost']} lost, {found['mixed']} that were somebody else's, "
        f"{found['other']} in other words than alone; {found['faults']:,} faults",
        f"a visitor who leaves in an answer frees the model after {found['freed_s']:.2f} s",
        f"memory of the server {first:,.0f} MB at first, {last:,.0f} MB at last, after {found['visitors']:,} sessions"
        + (f"; {grown:+.1f} MB a minute in the second half" if grown is not None else ""),
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"
