"""The table of sizes and quality for the terminal; fits 80 columns."""

from typing import Any

from rich import box
from rich.table import Table

from lilm.recipe import LEARNED
from lilm.report.units import FEW_TOKENS

LEAST = 0.00001  # what is shown of an error: no interval is nothing wide


def quality_table(report: dict[str, Any], speed: dict[str, Any] | None = None) -> Table:
    """One row per file. report: bench/report.json; speed: `measurements["speed"]` of the bench's manifest.

    The divergence is of the first language, the one learnt; report.html has both.
    """
    learnt = report["languages"][0]
    table = Table(
        title="sizes and quality",
        caption=_caption(report),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("file", no_wrap=True)
    headings = ["MB", "bits/\nweight", *(f"bits/\nbyte {lang}" for lang in report["languages"])]
    headings += [f"KLD {learnt} ± SE\nnats/token", f"same\ntop {learnt}"]
    headings += ["tok/s"] if speed is not None else []
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for file in report["files"]:
        # what a longer name takes, the figures would lack
        cells = [file["quant"].replace(LEARNED, f"\n{LEARNED}") + ("*" if file["note"] else "")]
        cells += [f"{file['bytes'] / 1e6:.2f}", f"{file['bits_per_weight']:.2f}"]
        cells += [f"{file['quality'][lang]['bits_per_byte']:.4f}" for lang in report["languages"]]
        cells += _against_full(file["quality"][learnt], report["measured_on"][learnt]["tokens"] < FEW_TOKENS)
        if speed is not None:
            rate = speed.get(file["quant"], {}).get("generated_tokens_per_second")
            cells.append("–" if rate is None else f"{rate:,.0f}")
        table.add_row(*cells)
    return table


def _against_full(figures: dict[str, Any], few: bool) -> list[str]:
    """few: whether it is too little text for an interval."""
    if figures["kld_mean"] is None:
        return ["–", "–"]
    error = "?" if few or figures["kld_se"] is None else f"{max(figures['kld_se'], LEAST):.5f}"
    return [f"{figures['kld_mean']:.5f} ±{error}", f"{figures['top1_agreement'] * 100:.1f}%"]


def _caption(report: dict[str, Any]) -> str:
    sizes = ", ".join(f"{lang} {report['measured_on'][lang]['tokens']:,}" for lang in report["languages"])
    lines = [f"held-out tokens: {sizes}; KLD and same top: against {report['files'][0]['quant']}"]
    learnt = report["languages"][0]
    unsure = [file["quality"][learnt] for file in report["files"] if file["quality"][learnt]["kld_mean"] is not None]
    if report["measured_on"][learnt]["tokens"] < FEW_TOKENS or any(figures["kld_se"] is None for figures in unsure):
        lines.append("± ?: too little held-out text to tell")
    lines += few_tokens(report)
    lines += [f"* {file['quant']}: {file['note']}" for file in report["files"] if file["note"]]
    return "\n".join(lines)


def few_tokens(report: dict[str, Any]) -> list[str]:
    """A line for each language of which so little was measured that files can hardly be told apart."""
    found = {lang: report["measured_on"][lang]["tokens"] for lang in report["languages"]}
    return [
        f"only {tokens:,} held-out tokens of {lang}: too little to tell files apart"
        for lang, tokens in found.items()
        if tokens < FEW_TOKENS
    ]
