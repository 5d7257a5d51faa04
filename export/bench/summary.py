"""What a finished run shows: a sample from the 4-bit model, sizes and quality, and how to go on."""

import json
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from lilm.commands import command
from lilm.export.bench.table import quality_table
from lilm.pipeline.artifact import read_manifest
from lilm.report.narrow import Narrowed


def show_summary(run_dir: Path, page: Path, console: Console) -> None:
    """Print it for as much of the run as is done; before the stage `bench` has measured what is exported, only where
    the run's `page` is."""
    manifest = read_manifest(run_dir / "bench")
    if manifest is None or not manifest.is_from(read_manifest(run_dir / "export")):
        _print_page(console, page)
        return
    report = json.loads((run_dir / "bench" / "report.json").read_text(encoding="utf-8"))
    small = next((file for file in report["files"] if file["quant"].startswith("Q4")), report["files"][-1])
    console.print(f"\n[bold]{small['quant']}[/] says, greedily:")
    for sample in small["samples"]:
        text = escape(sample["text"].replace("\n", " "))
        arrow = " → " if sample["kind"] == "chat" else ""
        console.print(f"  [dim]{escape(sample['prompt'])}{arrow}[/]{text}", highlight=False, soft_wrap=True)
    console.print()
    console.print(Narrowed(quality_table(report, manifest.measurements.get("speed"))))
    _print_page(console, page)
    if read_manifest(run_dir / "site") is not None:
        console.print("\ngo on with", highlight=False)
        _print_command(console, "serve", run_dir, "--open")
        _print_command(console, "serve", run_dir, "--lan", "--certificate", note="on your phone")
        _print_command(console, "chat", run_dir / "export" / small["name"])


def _print_page(console: Console, page: Path) -> None:
    console.print(f"every stage on one page: {page}", highlight=False, markup=False, soft_wrap=True)


def _print_command(console: Console, *words: str | Path, note: str = "") -> None:
    """As it can be copied: whole, and with square brackets that are no markup. note: a comment behind it."""
    comment = f"   # {note}" if note else ""
    console.print(f"  {command(*words)}{comment}", highlight=False, markup=False, soft_wrap=True)
