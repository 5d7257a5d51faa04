"""How far the reckoned memory is from the peak measured here, natively and in Chromium."""

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.fit.device import MB
from lilm.fit.measure import Peak, native_peak
from lilm.progress import Reporter
from lilm.recipe import WasmConfig
from lilm.report.narrow import Narrowed
from lilm.wasm.build import build_variant
from lilm.wasm.stage import has_chromium, memory_use
from lilm.wasm.toolchain import find_toolchain
from lilm.wasm.variants import with_relaxed
from lilm.wasm.verify.peak import chromium_peak


def fit_errors(gguf: Path, n_ctx: int, kv_type: str, reporter: Reporter, threads: int = 0) -> dict[str, Any]:
    """Fill a context of `n_ctx` natively and, where it is installed, in Chromium. threads: 0: as many as there are
    cores.

    Returns {"n_ctx", "kv_type", "threads", "native", "chromium", "chromium_process"}: native (resident memory) and
    chromium (wasm memory, None without Chromium) as {"base", "measured", "reckoned", "error"}, bytes and a share of
    measured - base; chromium_process: bytes of the page's whole process.
    Raises LilmError when the model does not load or does not fit.
    """
    count = threads or os.cpu_count() or 1
    reporter.say(f"  {gguf.name}: filling a context of {n_ctx} natively")
    peaks: dict[str, Peak | None] = {"native": native_peak(gguf, n_ctx, kv_type, count), "chromium": None}
    process = 0
    if has_chromium():
        config = WasmConfig(kv_type=kv_type)  # type: ignore[arg-type]
        tools = find_toolchain()
        built = [build_variant(variant, reporter, toolchain=tools) for variant in with_relaxed(("threads",), tools)]
        reporter.say(f"  {gguf.name}: filling a context of {n_ctx} in Chromium")
        use = replace(memory_use(config, "threads"), threads=count)
        peaks["chromium"], process = chromium_peak(gguf, built[-1], built[0], use, n_ctx)
        reporter.say(f"  the page's whole process took {process / MB:,.0f} MB")
    reporter.console.print(Narrowed(_table(peaks)))
    figures = {name: {**asdict(peak), "error": round(peak.error, 4)} if peak else None for name, peak in peaks.items()}
    return {"n_ctx": n_ctx, "kv_type": kv_type, "threads": count, **figures, "chromium_process": process}


def _table(peaks: Mapping[str, Peak | None]) -> Table:
    table = Table(title="the peak measured here, MB", title_justify="left")
    for heading in ("", "measured", "of it without a model", "added", "reckoned", "error"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, peak in peaks.items():
        if peak is not None:
            figures = (peak.measured, peak.base, peak.measured - peak.base, peak.reckoned)
            table.add_row(name, *(f"{one / MB:,.1f}" for one in figures), f"{peak.error:+.1%}")
    return table
