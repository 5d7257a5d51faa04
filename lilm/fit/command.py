"""`lilm fit`: reads the files, and shows on which devices they fit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lilm.errors import LilmError
from lilm.fit.browser import Use
from lilm.fit.device import MB, Device
from lilm.fit.fits import contexts_of, fit_matrix, fit_row
from lilm.fit.known.devices import find_device, load_devices
from lilm.fit.known.times import known_times, slow_words
from lilm.fit.known.types import much_used, slow_types
from lilm.fit.model import Model, read_model
from lilm.fit.needs import parts_on
from lilm.fit.parts import check_cache
from lilm.gguf_parts import ADAPTER, is_later_part
from lilm.pipeline.artifact import own_files
from lilm.report.narrow import Narrowed
from lilm.report.units import count, size

BACKENDS = {"arm": "in an app on a phone", "browser": "in a browser"}


def show_fit(path: Path, device: str, n_ctx: int, use: Use, console: Console) -> dict[str, Any]:
    """Print the table for a file, or for the files of a run's folder, and answer its figures. device: one of
    known/devices.toml, or "" for all. n_ctx: one more context, or 0.

    Raises LilmError for what is no model, for an unknown device, and for a cache that the model cannot have.
    """
    devices = [_device(device)] if device else list(load_devices().values())
    models = {file.name: read_model(file) for file in find_files(path)}
    for model in models.values():
        check_cache(model.shape, use.kv_type, "--kv-type")
    lines = slow_lines(devices, models)
    if path.is_dir():
        rows = fit_matrix(devices, models, use)
        console.print(Narrowed(matrix_table(rows, list(models))))
        lines = [*(_best(row, models) for row in rows if device), *lines]
        figures: dict[str, Any] = {"kv_type": use.kv_type, "devices": rows}
    else:
        model = models[path.name]
        contexts = contexts_of(model, n_ctx)
        rows = [fit_row(one, model, use, contexts) for one in devices]
        console.print(Narrowed(file_table(path.name, rows, contexts)))
        parts = {one.kind: asdict(parts_on(one, model, use, contexts[-1])) for one in devices}
        lines = [*(_said(kind, contexts[-1], part) for kind, part in parts.items()), *lines]
        figures = {"file": path.name, "kv_type": use.kv_type, "n_ctx": contexts[-1], "parts": parts, "devices": rows}
    for one in devices if device else ():
        lines.append(f"{one.device}, {one.os}: {one.confidence} confidence, {one.date}, {one.source}")
        lines += [f"  {one.note}"] * bool(one.note)
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return figures


def find_files(path: Path) -> list[Path]:
    """The model itself, or those of a run folder, of an export's folder or of its adapter's, where the adapter is no
    model; smallest first. Raises LilmError when there is none."""
    if not path.is_dir():
        return [path]
    folder = path / "export" if (path / "export").is_dir() else path
    found = [file for file in own_files(folder) if file.suffix == ".gguf" and file.parent == folder]
    found = [file for file in found if not is_later_part(file) and file.name != ADAPTER]
    if not found:
        raise LilmError("no GGUF file in it", where=str(folder), remedy="give a GGUF file, or the folder of a run")
    return sorted(found, key=lambda file: (file.stat().st_size, file.name))


def _device(name: str) -> Device:
    try:
        return find_device(name)
    except ValueError as error:
        raise LilmError(str(error), where="--device", remedy="`lilm fit MODEL.gguf` shows all of them") from error


def file_table(name: str, rows: Sequence[Mapping[str, Any]], contexts: Sequence[int]) -> Table:
    """A row for each device; rows: of fit_row. What is more than the device gives stands in brackets."""
    title = f"{name}: MB needed by context (in brackets: more than there is)"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("device", no_wrap=True)
    for heading in ("may use", *map(count, contexts), "longest"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        needed = [(row["needed_bytes"][str(n_ctx)], row["may_use_bytes"]) for n_ctx in contexts]
        cells = [f"{need / MB:,.0f}" if need <= most else f"({need / MB:,.0f})" for need, most in needed]
        table.add_row(row["device"], f"{row['may_use_bytes'] / MB:,.0f}", *cells, _longest(row["longest_n_ctx"]))
    return table


def matrix_table(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Table:
    """A row for each device, a column for each file: the longest context that fits. rows: of fit_matrix."""
    title = "longest context that fits, tokens (*: slow there)"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("device", no_wrap=True)
    table.add_column("may use, MB", justify="right")
    for name in names:
        table.add_column(Text(name.removesuffix(".gguf").removeprefix("model-")), justify="right", no_wrap=True)
    for row in rows:
        cells = [longest_cell(row, name) for name in names]
        table.add_row(row["device"], count(row["may_use_mb"]), *cells)
    return table


def longest_cell(row: Mapping[str, Any], name: str) -> str:
    """`2,048`, `2,048*` where the file is slow, or a dash where nothing fits."""
    longest = row["longest_n_ctx"][name]
    return _longest(longest) + ("*" if longest and name in row["slow"] else "")


def _longest(n_ctx: int) -> str:
    return count(n_ctx) if n_ctx else "–"


def _best(row: Mapping[str, Any], models: Mapping[str, Model]) -> str:
    """The largest file that fits with the context that it was trained for, else the one with the longest."""
    longest: Mapping[str, int] = row["longest_n_ctx"]
    if not any(longest.values()):
        return f"{row['device']}: none fits"
    best = max(models, key=lambda name: (longest[name], models[name].file_bytes))
    return f"{row['device']}: {best} fits with a context of {count(longest[best])}"


def _said(kind: str, n_ctx: int, parts: Mapping[str, int]) -> str:
    where = "in a browser" if kind == "tab" else "in an app"
    named = {name.removesuffix("_bytes"): part for name, part in parts.items() if part}
    more = ", and 5% and 4 MiB over that" if kind == "tab" else ", without the app's own"
    return f"{where}, at {count(n_ctx)}: " + ", ".join(f"{name} {size(part)}" for name, part in named.items()) + more


def slow_lines(devices: Sequence[Device], models: Mapping[str, Model]) -> list[str]:
    """What is to be said of files whose matrices are mainly of types that are slow on these devices, and of those types
    that were measured to be."""
    lines: list[str] = []
    sources: set[str] = set()
    for name, model in models.items():
        for backend in dict.fromkeys(one.backend for one in devices):
            if slow := slow_types(model, backend):
                lines.append(f"{name} is slow {BACKENDS[backend]}: {', '.join(slow)} have no kernels there")
            if words := slow_words(much_used(model), backend):
                lines.append(f"{name} {BACKENDS[backend]}: {'; '.join(words)}")
                sources.add(f"times {BACKENDS[backend]}: {known_times()[backend].source}")
    return [*lines, *sorted(sources)]
