"""The table of `lilm bench quant` for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table


def quality_table(model: Mapping[str, Any]) -> Table:
    """One row per file, largest first; KLD with half the width of its 95% interval."""
    learnt, base = model["languages"]
    title = f"{model['name']}: what each file is worth, against its own F16 file"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("file", overflow="fold")
    headings = ["MB", "bits/\nweight", f"KLD {learnt}\nnats/token", f"KLD\n{base}", "KLD\nchat"]
    headings += [f"p99.9\n{learnt}", f"same top\n{learnt}", f"bits/byte\n{learnt}", f"bits/byte\n{base}"]
    headings += ["loops", "other\nlang.", "broken", "tok/s\nread", "tok/s\nwrite", "in Chromium", "peak\nMB"]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in sorted(model["files"], key=lambda row: (-row["mb"], row["quant"])):
        low, high = _interval(row, learnt)
        kld = "–" if low is None else f"{row[f'kld_{learnt}']:.5f} ± {(high - low) / 2:.5f}"
        page = "–" if row["wasm_decode"] is None else f"{row['wasm_prefill']:,.0f} / {row['wasm_decode']:,.0f}"
        table.add_row(
            row["quant"],
            f"{row['mb']:,.2f}",
            f"{row['bpw']:.2f}",
            kld,
            _number(row[f"kld_{base}"], ".5f"),
            _number(row["kld_chat"], ".5f"),
            _number(row["kld_p999"], ".4f"),
            _number(row["same_top"], ".1%"),
            *(_number(row[f"bpb_{lang}"], ".4f") for lang in (learnt, base)),
            *(_number(row[name], ".1%") for name in ("loops", "wrong_language", "broken")),
            *(_number(row[name], ",.0f") for name in ("prefill", "decode")),
            page,
            _number(row["peak_mb"], ",.0f"),
        )
    return table


def choices_table(model: Mapping[str, Any]) -> Table | None:
    """Right answers of each file by task, and how they changed from the F16 file's; None where nothing was asked."""
    rows = [row for row in sorted(model["files"], key=lambda row: (-row["mb"], row["quant"])) if row["choices"]]
    if not rows:
        return None
    table = Table(title="Multiple choice", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("task", "file"):
        table.add_column(heading, overflow="fold")
    for heading in ("questions", "right", "lost", "won", "margin, nats"):
        table.add_column(heading, justify="right", no_wrap=True)
    for task in rows[0]["choices"]:
        for row in rows:
            one = row["choices"][task]
            right, margin = f"{one['accuracy']['value']:.1%}", f"{one['margin']['value']:+.3f}"
            table.add_row(
                task, row["quant"], f"{one['questions']:,}", right, f"{one['lost']:,}", f"{one['won']:,}", margin
            )
    return table


def _interval(row: Mapping[str, Any], lang: str) -> tuple[Any, Any]:
    found = row["texts"][lang]["short"]["kld_mean"]
    return tuple(found["ci95"]) if found else (None, None)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
