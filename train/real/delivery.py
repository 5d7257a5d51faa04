"""What was trained goes on to the page, by the real stages."""

import json
from typing import Any

from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.runner import run_stages
from lilm.pipeline.stage import stage_named
from lilm.recipe import Recipe, load_recipe
from lilm.train.finetune.agreement import template_equal
from lilm.train.real.contender import Trial

FILES, PAGE = ("finetune", "export", "bench"), ("wasm", "site")


def make_files(trial: Trial) -> dict[str, Any]:
    """Chats, GGUF files and their measurement. Returns template_equal (transformers, training and llama.cpp give chats
    the same tokens), gguf_bytes, quality and answers by type, steps: the quality of the base and before the chats on
    the same text, and samples: what the full file makes of the fixed prompts, greedily."""
    _run(trial, FILES)
    manifest = read_manifest(trial.folder / "export")
    report = json.loads((trial.folder / "bench" / "report.json").read_text(encoding="utf-8"))
    files = report["files"]
    return {
        "template_equal": template_equal(trial.folder / "finetune", trial.folder / "export" / files[0]["name"]),
        "gguf_bytes": manifest.measurements["bytes"] if manifest else {},
        "steps": {step["step"]: step["quality"] for step in report["steps"]},
        "quality": {file["quant"]: file["quality"] for file in files},
        "answers": {file["quant"]: _said(file, "chat") for file in files},
        "samples": _said(files[0], "text"),
    }


def make_page(trial: Trial) -> None:
    """The build for browsers and the page; `lilm serve` shows it."""
    _run(trial, PAGE)


def _said(file: dict[str, Any], kind: str) -> dict[str, str]:
    return {one["prompt"]: one["text"] for one in file["samples"] if one["kind"] == kind}


def _run(trial: Trial, names: tuple[str, ...]) -> None:
    run_stages(_as_trained(trial), trial.folder, [stage_named(name) for name in names], trial.bed.reporter)


def _as_trained(trial: Trial) -> Recipe:
    """Returns the recipe with the steps that were trained, so that the run folder's recipe says what is in it."""
    trained = load_recipe(str(trial.folder / "lilm.toml")).pretrain
    return trial.recipe.model_copy(update={"pretrain": trained})
