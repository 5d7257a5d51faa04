"""`lilm bench NAME`: the benchmarks by name. Each answers JSON figures and prints its own table."""

import importlib
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.errors import LilmError
from lilm.memory import PeakMemory
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.runner import chosen_stages, run_stages
from lilm.progress import Reporter
from lilm.recipe import load_recipe
from lilm.temporary import temporary_folder

Benchmark = Callable[..., dict[str, Any]]


def run_benchmark(name: str, reporter: Reporter, json_file: Path | None = None, **options: Any) -> dict[str, Any]:
    """Run one of BENCHMARKS with its own options (see the function).

    json_file: where the figures will be written; told to a benchmark of hours, which writes there as it goes.

    Raises LilmError when there is no such one, or it has no such option.
    """
    if name not in BENCHMARKS:
        raise LilmError(f"no benchmark {name!r}", where="lilm bench", remedy="use one of: " + ", ".join(BENCHMARKS))
    module, _, function = BENCHMARKS[name].partition(":")
    benchmark: Benchmark = getattr(importlib.import_module(module), function)
    known = set(inspect.signature(benchmark).parameters)
    if json_file is not None and "json_file" in known:
        options["json_file"] = json_file
    unknown = sorted(set(options) - known)
    if unknown:
        option = unknown[0].removesuffix("_dir").replace("_", "-")
        raise LilmError(f"--{option} means nothing here", where=f"lilm bench {name}", remedy="leave it out")
    return benchmark(reporter, **options)


def stages(
    reporter: Reporter,
    recipe: str = "quickstart",
    run_dir: Path | None = None,
    first: str | None = None,
    last: str | None = None,
) -> dict[str, Any]:
    """Wall seconds and peak memory of each stage.

    recipe: name of a shipped one, or path. run_dir: where to run; None: a fresh folder, removed at the end.
    first, last: names of stages, as `lilm run --from/--to`. A stage that was done before keeps the seconds in its
    manifest and has no memory figure. Returns {"benchmark", "recipe", "stages": [{"name", "seconds", "peak_mb",
    "ran"}], "total_s"}; total_s is of what ran.
    """
    chosen = chosen_stages(first, last)
    loaded = load_recipe(recipe)
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        if run_dir is None:
            run_dir = stack.enter_context(temporary_folder("bench"))
        for stage in chosen:
            with PeakMemory() as peak:
                ran = bool(run_stages(loaded, run_dir, [stage], reporter))
            manifest = read_manifest(run_dir / stage.name)
            seconds = manifest.measurements["seconds"] if manifest is not None else None
            rows.append({"name": stage.name, "seconds": seconds, "peak_mb": peak.mb if ran else None, "ran": ran})
    total = round(sum(row["seconds"] for row in rows if row["ran"]), 2)
    reporter.console.print(_stages_table(rows, total))
    return {"benchmark": "stages", "recipe": loaded.name, "stages": rows, "total_s": total}


def _stages_table(rows: list[dict[str, Any]], total: float) -> Table:
    table = Table(title="stages", title_justify="left", show_footer=True)
    table.add_column("stage", footer="total")
    table.add_column("seconds", justify="right", footer=f"{total:.1f}")
    table.add_column("peak MB", justify="right")
    for row in rows:
        table.add_row(row["name"], f"{row['seconds']:.1f}", f"{row['peak_mb']:.0f}" if row["ran"] else "done before")
    return table


# name -> module:function, imported when it is called
BENCHMARKS = {
    "stages": "lilm.cli.benchmarks:stages",
    "corpus": "lilm.train.corpus.bench.corpus:measure",
    "tokenizer": "lilm.train.tokenizer.bench:measure",
    "train": "lilm.train.pretrain.bench.train:measure",
    "gpu": "lilm.train.pretrain.bench.gpu:measure",
    "real": "lilm.train.real.bench:measure",
    "faults": "lilm.train.faults.bench:measure",
    "kills": "lilm.train.faults.kills:measure",
    "quant": "lilm.export.quality.bench:measure",
    "browser": "lilm.wasm.bench.browser:measure",
    "types": "lilm.wasm.bench.types:measure",
    "chat": "lilm.export.talk.bench:measure",
    "languages": "lilm.train.languages.bench:measure",
}
