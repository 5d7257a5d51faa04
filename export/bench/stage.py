"""The bench stage: measures the base, the pretrained model and every exported file on the same held-out text, and
writes the report of quality against size."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lilm.disk import write_atomic
from lilm.errors import LilmError
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import BenchConfig, WasmConfig


def run(config: BenchConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    from lilm.export.bench.chart import quality_chart
    from lilm.export.bench.html import report_html
    from lilm.pipeline.descent import why_unproved

    if why := why_unproved(inputs["export"].parent):
        context.reporter.say(f"  it cannot be proved that nothing learnt the held-out text: {why}")
    report, speed = measure_all(config, inputs, context)
    report["fits"] = where_files_fit(inputs["export"], [file["name"] for file in report["files"]])
    write_json(out_dir / "report.json", report)
    chart = quality_chart(report)
    write_atomic(out_dir / "quality.svg", chart)
    write_atomic(out_dir / "report.html", report_html(report, chart))
    return Artifact({"speed": speed})


def read_export(folder: Path) -> list[dict[str, Any]]:
    """The files' rows of the export's report, the full file first."""
    files: list[dict[str, Any]] = json.loads((folder / "report.json").read_text(encoding="utf-8"))["files"]
    return files


def where_files_fit(export: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each device that is known: the longest context with each file, on a page as recipes have it by default
    or in an app (lilm.fit.fits.fit_matrix)."""
    from lilm.fit.browser import page_use
    from lilm.fit.fits import fit_matrix
    from lilm.fit.known.devices import load_devices
    from lilm.fit.model import read_model

    models = {name: read_model(export / name) for name in names}
    return fit_matrix(load_devices().values(), models, page_use(WasmConfig(), threaded=True))


def measure_all(
    config: BenchConfig, inputs: Mapping[str, Path], context: Context
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The report, of the base, the pretrained model and each file on the same text; and the files' speeds, which are
    not part of it since they differ from run to run.

    Raises LilmError when there is no held-out text, or n_ctx is more than the model was trained for.
    """
    from lilm.documents import read_texts
    from lilm.export.bench.excerpts import choose
    from lilm.export.bench.measure import Clock, equal_tokens, prompt_ids, quality, write_samples
    from lilm.export.bench.steps import BASE, as_rows, measure_steps
    from lilm.llamacpp.engine import Engine

    export, corpus = inputs["export"], inputs["corpus"]
    files = read_export(export)
    full = export / files[0]["name"]
    languages = (context.language, context.base_language)
    with Engine(full, n_ctx=config.n_ctx, threads=context.threads) as engine:
        if config.n_ctx > engine.n_ctx_train:
            raise LilmError(
                f"n_ctx is {config.n_ctx}, the model was trained for {engine.n_ctx_train} tokens",
                where="bench.n_ctx",
                remedy=f"use at most {engine.n_ctx_train}",
            )
        prompts = prompt_ids(engine, config)
        longest = max((len(ids) for _, _, ids in prompts), default=0)
        excerpts = {}

        def encode(text: str) -> list[int]:
            return engine.tokenize(text, add_bos=False)

        for lang in languages:
            texts = read_texts(corpus, lang, "heldout")
            excerpts[lang] = choose(texts, encode, engine.bos_id, config.n_ctx, config.eval_tokens)
            if not excerpts[lang].tokens:
                raise LilmError(
                    f"the held-out text of {lang!r} is empty", where=str(corpus), remedy="give that language more text"
                )

    steps = measure_steps(inputs, excerpts, config.n_ctx, context)
    base = {lang: one.nats for lang, one in steps[BASE].items()}
    rows: list[dict[str, Any]] = []
    speed: dict[str, Any] = {}
    n_ctx = max(config.n_ctx, longest + config.n_predict)
    windows = sum(len(sample.windows) for sample in excerpts.values())
    with context.reporter.bar("bench windows", windows * len(files)) as bar:
        for file in files:
            name = file["quant"]
            reference = full if rows else None
            prompt_clock, generation_clock = Clock(), Clock()
            with Engine(export / file["name"], n_ctx=n_ctx, threads=context.threads, reference=reference) as engine:
                figures = quality(engine, excerpts, base, prompt_clock, lambda name=name: bar.advance(1, name))  # type: ignore[misc]
                samples = write_samples(engine, prompts, config.n_predict, generation_clock)
            for number, sample in enumerate(samples):
                sample["equal_tokens"] = equal_tokens(
                    sample["ids"], (rows[0]["samples"] if rows else samples)[number]["ids"]
                )
            kept = {key: file[key] for key in ("name", "quant", "bytes", "bits_per_weight", "note")}
            rows.append({**kept, "quality": figures, "samples": samples})
            speed[name] = {
                "prompt_tokens_per_second": prompt_clock.tokens_per_second,
                "generated_tokens_per_second": generation_clock.tokens_per_second,
            }
    measured = {
        lang: {
            "documents": sample.documents,
            "tokens": sample.tokens,
            "bytes": sample.bytes,
            "windows": len(sample.windows),
            "sha256": sample.sha256,
        }
        for lang, sample in excerpts.items()
    }
    told = {"languages": list(languages), "n_ctx": config.n_ctx, "measured_on": measured}
    return {**told, "steps": as_rows(steps, excerpts), "files": rows}, speed
