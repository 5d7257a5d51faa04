"""A run folder made of a random model, for what measures its files."""

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import tomlkit

from lilm.chat import CHAT_TEMPLATE
from lilm.documents import write_documents
from lilm.export.stage import run as run_export
from lilm.pipeline.artifact import Manifest, describe_outputs, read_manifest
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import ExportConfig, recipe_text
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.vocabulary.sentencepiece import read_proto

SPLITS = (range(300), range(300, 330))  # numbers of the documents: of training, held out
EXPORT = {"quants": ["Q8_0", "Q4_0"], "bits_per_weight": 6.5, "calibration_tokens": 1_000, "sensitivity_tokens": 256}
SMALL: dict[str, Any] = {"eval_tokens": 600, "generations": 6, "n_predict": 12, "skip": "speed,browser"}


def text(lang: str, number: int) -> str:
    if lang == "en":
        return f"The cat number {number} sat on the mat, and {number * 7 % 50} dogs sat by the door of the house."
    return f"むかしむかし、あるところに{number}人のおじいさんが住んでいて、{number * 3 % 40}回も公園へ行きました。"


CHAIN = ("corpus", "pack", "pretrain", "finetune", "export")  # each is made from the one before it


def seal(folder: Path, stage: str, config: dict[str, Any] | None = None) -> None:
    """Write the manifest, as of a stage that was made from what is there now."""
    before = read_manifest(folder.parent / CHAIN[CHAIN.index(stage) - 1]) if stage != "corpus" else None
    inputs = {before.stage: before.digest} if before is not None else {}
    Manifest(stage, "key", config or {}, inputs, describe_outputs(folder, ()), (), {}).write(folder)


def seal_all(run: Path) -> None:
    for name in CHAIN:
        seal(run / name, name)


def write_corpus(folder: Path, splits: tuple[range, range] = SPLITS) -> None:
    for lang in ("ja", "en"):
        for split, numbers in zip(("train", "heldout"), splits, strict=True):
            rows = [text(lang, number) for number in numbers]
            ids = [f"{lang}{number}" for number in numbers]
            frame = pl.DataFrame({"id": ids, "source": ["x"] * len(rows), "text": rows})
            write_documents(folder, lang, split, frame)  # type: ignore[arg-type]


def write_recipe(run: Path, export: dict[str, Any]) -> None:
    recipe: Any = tomlkit.parse(recipe_text("quickstart")).unwrap()
    recipe["export"], recipe["threads"] = export, 1
    recipe["site"]["quants"] = export["quants"][-1:]
    recipe["finetune"]["sources"][0]["limit"] = 20
    (run / "lilm.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")


def make_run(folder: Path, random_model: Path, context: Context) -> Path:
    """A finished run up to its export: F16, two plain files, one for a budget, and a copy of one as learnt."""
    shutil.copytree(random_model, folder / "finetune")
    write_tokenizer(read_proto(folder / "finetune" / "tokenizer.model"), folder / "finetune", 256)
    (folder / "finetune" / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    (folder / "corpus").mkdir()
    write_corpus(folder / "corpus")
    for name in ("pack", "pretrain"):
        (folder / name).mkdir()
        (folder / name / "report.json").write_text("{}")
    write_recipe(folder, EXPORT)
    export = folder / "export"
    export.mkdir()
    inputs = {"finetune": folder / "finetune", "corpus": folder / "corpus"}
    run_export(ExportConfig.model_validate(EXPORT), inputs, export, context)
    report = json.loads((export / "report.json").read_text(encoding="utf-8"))
    shutil.copyfile(export / "model-Q4_0.gguf", export / "model-Q4_0-learned.gguf")
    report["files"].append({"name": "model-Q4_0-learned.gguf", "quant": "Q4_0-learned", "bits_per_weight": 5})
    report["files"][-1]["learned"] = {"blocks_exact": 1.0}
    write_json(export / "report.json", report)
    seal_all(folder)
    return folder


def rows(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["quant"]: row for row in figures["models"][0]["files"]}
