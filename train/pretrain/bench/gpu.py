"""`lilm bench gpu`: in a few minutes of one GPU, whether training is right there, how fast it is and learning blocks,
and what a pilot learns."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.errors import LilmError
from lilm.pipeline.hashing import write_json
from lilm.progress import Reporter
from lilm.train.pretrain.bench import gpu_blocks, gpu_checks, gpu_pilot, gpu_speed
from lilm.train.pretrain.bench.gpu_part import run_part
from lilm.train.pretrain.bench.gpu_size import SIZES, Settings

PARTS = {"checks": gpu_checks.run, "speed": gpu_speed.run, "blocks": gpu_blocks.run, "pilot": gpu_pilot.run}
ENDS = {
    "checks": 0.25,
    "speed": 0.6,
    "blocks": 0.72,
    "pilot": 0.96,
}  # of the time: when each part is ended, if it still runs
LAYERS_MORE = 1.4  # layers of the pilot for each of the larger model: so much longer it compiles
WHERE = "lilm bench gpu"


def measure(
    reporter: Reporter,
    shape: str = "tinyllama",
    device: str = "cuda",
    minutes: float = 8.0,
    base: Path | None = None,
    tokens: Path | None = None,
    json_file: Path | None = None,
) -> dict[str, Any]:
    """shape: "tinyllama" (1.1B, and SmolLM2's for the pilot; a GPU of 80 GB) or "tiny" (the same code in seconds).
    minutes: of all parts together, never more. base, tokens: folders of those stages, for the pilot; None: random
    weights of SmolLM2's shape, made-up tokens. json_file: gets all figures so far after each that is new.

    checks: by name {"holds", …}. speed: tokens_per_s (learnt ones), mfu as `lilm pretrain` counts it, mfu_documents
    with attention counted within documents alone, of each of `tries`, and the `best`. blocks: seconds of a step in
    which blocks learn, and their divergence from the model that teaches, first and last. pilot: bits per byte `before`
    and `after` by language. `ended` of each: "" or why it has no more figures.
    Raises LilmError without a GPU, and, after everything was measured and written, when a check does not hold.
    """
    begun = time.time()
    settings = _settings(shape, device, base, tokens)
    figures: dict[str, Any] = {"benchmark": "gpu", "shape": shape, **_place(device)}
    for name, part in PARTS.items():
        mine = figures.setdefault(name, {"ended": "it was not begun"})

        def told(new: dict[str, Any], name: str = name, mine: dict[str, Any] = mine) -> None:
            mine.update(new)
            mine["ended"] = "it was cut"
            reporter.say(f"  {name}: " + ", ".join(f"{key} {_spoken(value)}" for key, value in new.items()))
            _write(json_file, figures)

        reporter.say(f"{name}, {time.time() - begun:.0f} s after the start")
        mine["ended"] = run_part(part, settings, begun + 60 * minutes * ENDS[name], told)
        figures["seconds"] = round(time.time() - begun, 1)
        _write(json_file, figures)
        if name == "speed" and mine.get("best"):
            best = mine["best"]
            reached = best["tokens_per_s"] * mine["flops_per_token"]
            settings = replace(settings, flops=reached, compile_s=best["first_step_s"] * LAYERS_MORE)
    reporter.console.print(_table(figures))
    _require_held(figures)
    return figures


def _settings(shape: str, device: str, base: Path | None, tokens: Path | None) -> Settings:
    """Raises LilmError for whatever would only be found after minutes."""
    import torch

    if shape not in SIZES:
        raise LilmError(f"no shape {shape!r}", where=WHERE, remedy="use one of " + ", ".join(SIZES))
    if device not in ("cuda", "cpu"):
        raise LilmError(f"no device {device!r}", where=WHERE, remedy="use cuda or cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise LilmError(
            "there is no GPU that torch can use",
            where=WHERE,
            remedy="run it where there is one, or the same at a small size: --device cpu --shape tiny",
        )
    settings = Settings(SIZES[shape], device, base, tokens)
    gpu_pilot.check_inputs(settings)
    return settings


def _place(device: str) -> dict[str, Any]:
    import torch
    import transformers

    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return {"device": name, "torch": torch.__version__, "transformers": transformers.__version__}


def _write(json_file: Path | None, figures: dict[str, Any]) -> None:
    if json_file is not None:
        write_json(json_file, figures)


def _require_held(figures: dict[str, Any]) -> None:
    checks = {name: one for name, one in figures["checks"].items() if isinstance(one, dict)}
    wrong = [name for name, one in checks.items() if not one["holds"]]
    missing = len(gpu_checks.CHECKS) - len(checks)
    if wrong or missing:
        words = ", ".join(wrong) + (f"{', and ' if wrong else ''}{missing} were not made" if missing else "")
        raise LilmError(f"checks that do not hold: {words}", where=WHERE, remedy="the figures above say by how much")


def _spoken(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_spoken(one)}" for key, one in value.items())
    if isinstance(value, list):
        return f"[{len(value)}]" if value and isinstance(value[0], dict) else str(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title=f"{figures['device']}, torch {figures['torch']}", title_justify="left")
    table.add_column("part")
    table.add_column("what")
    table.add_column("found", justify="right")
    for name, one in figures["checks"].items():
        if isinstance(one, dict):
            table.add_row("checks", name.replace("_", " "), "holds" if one["holds"] else "DOES NOT HOLD")
    for one in figures["speed"].get("tries", []):
        words = f"{one['rows']} sequences a pass" + (", compiled" if one["compiled"] else "")
        words += ", bfloat16 from the embeddings on" if one["bf16_embeddings"] else ""
        found = one.get("error") or f"{one['tokens_per_s']:,.0f} tokens/s"
        found += f", MFU {one['mfu']:.1%}" if one.get("mfu") else ""
        found += f", {one['peak_memory_mb'] / 1000:.1f} GB" if one.get("peak_memory_mb") else ""
        table.add_row("speed", words, found)
    blocks = figures["blocks"]
    if "steps" in blocks:
        found = f"{blocks['step_s']:.3g} s a step, {blocks['tokens_per_s']:,.0f} tokens/s"
        found += f", {blocks['peak_memory_mb'] / 1000:.1f} GB" if blocks["peak_memory_mb"] else ""
        table.add_row("blocks", f"{blocks['steps']} steps of {blocks['quant']}", found)
        table.add_row("blocks", "KLD, first and last step", f"{blocks['kld_first']:.4g}, {blocks['kld_last']:.4g}")
    pilot = figures["pilot"]
    if "tokens_per_s" in pilot:
        table.add_row("pilot", f"{pilot['steps']} steps", f"{pilot['tokens_per_s']:,.0f} tokens/s")
        table.add_row("pilot", "loss, first and last step", f"{pilot['loss_first']:.3f}, {pilot['loss_last']:.3f}")
    for language, before in pilot.get("before", {}).items():
        after = pilot.get("after", {}).get(language)
        table.add_row(
            "pilot", f"bits per byte, {language}", f"{before:.3f} → {'?' if after is None else f'{after:.3f}'}"
        )
    for name in PARTS:
        if figures[name]["ended"]:
            table.add_row(name, "ended early", figures[name]["ended"])
    return table
