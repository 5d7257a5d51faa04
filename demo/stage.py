"""The site stage: a folder that any static host can serve, with the page, the engine and the models."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from lilm.demo.about import write_about
from lilm.demo.chunks import chunk_list
from lilm.disk import link_or_copy
from lilm.errors import LilmError
from lilm.gguf_parts import ADAPTER, BASE, LORA, MODEL, model_at, parts_of
from lilm.json_file import read_json_object
from lilm.licences import with_origin
from lilm.origin import read_origin
from lilm.pipeline.artifact import Artifact, files_below, own_files, read_manifest
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.pipeline.stage import QUANT_REPORT, Context, stage_named
from lilm.recipe import LEARNED, MIX, SiteConfig
from lilm.report.quant_figures import bench_figures

PAGE = (".css", ".html", ".js", ".png", ".svg")
NOT_FOR_BROWSERS = ("manifest.json", "report.json", "run_node.mjs")
CHARTS = (".svg", ".png")
FIGURES = ("bits_per_byte", "kld_mean", "kld_se", "top1_agreement")
REPORT = "report.html"
SERVICE_WORKER = "service-worker.js"


def external(config: SiteConfig, context: Context) -> dict[str, str]:
    """Hashes of the page's own files: another release's page is another site."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in page_files().items()}


def run(config: SiteConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Put the site together. Raises LilmError when a model of `config.quants` was not exported."""
    for old in out_dir.iterdir():  # left by a killed try; making it again takes a second
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for name, data in page_files().items():
        (out_dir / name).write_bytes(data)
    copy_engine(inputs["wasm"], out_dir / "wasm")
    memory = json.loads((inputs["wasm"] / "memory.json").read_text(encoding="utf-8"))
    quality = measured(inputs["bench"] / "report.json")
    better = measured_by_quant(inputs[QUANT_REPORT]) if QUANT_REPORT in inputs else {}
    models = []
    (out_dir / "models").mkdir()
    folder, stem = (inputs["export"] / LORA, BASE) if config.adapter else (inputs["export"], MODEL)
    over = {"lora": add_model(folder / ADAPTER, out_dir / "models")} if config.adapter else {}
    for wanted in config.quants:
        quant = exported_name(wanted, inputs["export"])
        source = model_at(folder, f"{stem}-{quant}")
        if not source.is_file():
            raise LilmError(
                "was not exported",
                where=str(source),
                remedy=f"have [export] make {quant}, or remove it from site.quants",
            )
        parts = [add_model(part, out_dir / "models") for part in parts_of(source)]
        models.append(
            {
                **parts[0],
                "quant": quant,
                "bytes": sum(part["bytes"] for part in parts),
                **({"parts": parts} if len(parts) > 1 else {}),
                **over,
                "memory": initial_memory(memory, source.name),
                "quality": better.get(parts[0]["sha256"]) or quality.get(source.name),
            }
        )
    charts, report = copy_report(inputs["bench"], out_dir / "bench")
    write_json(
        out_dir / "models.json",
        {
            "title": config.title,
            "language": context.language,
            "models": models,
            "prompts": list(config.prompts),
            "sampling": {**config.sampling.model_dump(), "n_predict": config.n_predict},
            "variants": memory["variants"],
            "charts": charts,
            "report": report,
        },
    )
    write_about(out_dir, config.title, with_origin(context.licences, read_origin(inputs["base"])))
    write_json(out_dir / "manifest.webmanifest", app_manifest(config.title, context.language))
    list_files(out_dir)
    total = sum(path.stat().st_size for path in files_below(out_dir, stage_named("site").outputs))
    context.reporter.say(f"  {total / 1e6:.1f} MB; any static host can serve it")
    return Artifact({"bytes": total, "models": len(models)})


def add_model(source: Path, folder: Path) -> dict[str, Any]:
    """Put a file and its list of chunks into `folder`. Returns what the page needs to know of both."""
    link_or_copy(source, folder / source.name)
    chunks = chunk_list(source)
    write_json(folder / f"{source.name}.chunks.json", chunks)
    at = f"{folder.name}/{source.name}"
    return {"file": at, "chunks": f"{at}.chunks.json", "bytes": chunks["bytes"], "sha256": chunks["sha256"]}


def exported_name(quant: str, export: Path) -> str:
    """What the export's report calls a file of `config.quants`."""
    if not quant.startswith(MIX):
        return quant
    files = json.loads((export / "report.json").read_text(encoding="utf-8"))["files"]
    mixes = [str(file["quant"]) for file in files if file["quant"].startswith(f"{MIX}-")]
    return next((name for name in mixes if name.endswith(LEARNED) == quant.endswith(LEARNED)), quant)


def app_manifest(title: str, language: str) -> dict[str, Any]:
    """What a browser needs to install the page as an app."""
    png = {"src": "icon-512.png", "sizes": "512x512", "type": "image/png"}
    return {
        "name": title,
        "short_name": title,
        "lang": language,
        "start_url": ".",
        "display": "standalone",
        "background_color": "#faf9f6",
        "theme_color": "#faf9f6",
        "icons": [{"src": "icon.svg", "sizes": "any", "type": "image/svg+xml"}, png, {**png, "purpose": "maskable"}],
    }


def list_files(site: Path) -> None:
    """Put the list of all files but the models in front of the service worker, which keeps them in the browser."""
    worker = site / SERVICE_WORKER
    own = files_below(site, stage_named("site").outputs)
    paths = [path for path in own if path != worker and path.suffix != ".gguf"]
    hashes = {path.relative_to(site).as_posix(): sha256_file(path) for path in paths}
    worker.write_text(f"const FILES = {json.dumps(hashes, indent=1)};\n{worker.read_text(encoding='utf-8')}", "utf-8")


def page_files() -> dict[str, bytes]:
    """The page's own files, by name."""
    folder = files("lilm.demo") / "site"
    return {
        entry.name: entry.read_bytes()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(PAGE)
    }


def copy_engine(wasm: Path, target: Path) -> None:
    """Copy the JS runtime, the builds and memory.json; what only Node and people read stays behind."""
    for path in own_files(wasm):
        if path.name not in NOT_FOR_BROWSERS:
            copy = target / path.relative_to(wasm)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def copy_report(bench: Path, target: Path) -> tuple[list[str], str | None]:
    """Copy the charts and the report. Returns their addresses on the site; the report's is None without one."""
    manifest = read_manifest(bench)
    copied = []
    for name in sorted(manifest.outputs) if manifest else ():
        if name.endswith(CHARTS) or name == REPORT:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bench / name, target / name)
            copied.append(f"bench/{name}")
    charts = [name for name in copied if name.endswith(CHARTS)]
    return charts, next((name for name in copied if name == f"bench/{REPORT}"), None)


def initial_memory(memory: Mapping[str, Any], name: str) -> dict[str, int]:
    """Bytes that the browser reserves for a model at the recipe's context, by variant of the engine; without those in
    which it does not fit."""
    model = memory["models"].get(name, {})
    n_ctx = min(memory["n_ctx"], model.get("n_ctx_train", memory["n_ctx"]))
    found = {}
    for variant in memory["variants"]:
        row: Mapping[str, int] = next((one for one in model.get(variant, ()) if one["n_ctx"] >= n_ctx), {})
        if "initial_bytes" in row:
            found[variant] = row["initial_bytes"]
    return found


def measured_by_quant(report: Path) -> dict[str, dict[str, Any]]:
    """Returns the same out of the report of `lilm bench quant`, with the 95% interval of the divergence: SHA-256 of the
    file, or of its first part -> language -> figures.

    Raises LilmError when the report is not JSON or lacks a figure."""
    remedy = "run `lilm bench quant` again, or delete the report: the page has the figures of the stage bench then"
    found = read_json_object(report, remedy=remedy)
    try:
        model = found["models"][0]
        return {
            row.get("parts_sha256", [row["sha256"]])[0]: {
                lang: bench_figures(row["texts"][lang]["short"]) for lang in model["languages"]
            }
            for row in model["files"]
        }
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise LilmError(f"it lacks figures that the page shows ({error})", where=str(report), remedy=remedy) from error


def measured(report: Path) -> dict[str, dict[str, Any]]:
    """What the page shows of the bench report: file name -> language -> figures."""
    rows = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {
        row["name"]: {lang: {key: figures[key] for key in FIGURES} for lang, figures in row["quality"].items()}
        for row in rows
    }
