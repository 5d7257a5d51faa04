"""`lilm export hub`: a folder that can be uploaded to the Hugging Face hub as it is."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.chat.files import read_chat_template
from lilm.commands import command
from lilm.disk import filling, link_or_copy, require_space, write_atomic
from lilm.errors import LilmError
from lilm.export.model_card import UNKNOWN, Card
from lilm.export.recipe_json import NAME as RECIPE
from lilm.export.recipe_json import READ
from lilm.export.run_page.collect import read_quant
from lilm.origin import of_recipe, read_origin
from lilm.pipeline.artifact import changed_output, files_below, own_files, read_manifest
from lilm.pipeline.stage import stage_named
from lilm.pipeline.work import changed_setting
from lilm.progress import Reporter
from lilm.recipe import Recipe, load_recipe
from lilm.report.quant_figures import bench_figures
from lilm.report.units import size

GENERATION = "generation_config.json"
LINKED = (".gguf", ".safetensors")  # a second name costs no room; small files people edit are copies


def make_hub_folder(run: Path, out_dir: Path, repo: str, reporter: Reporter) -> None:
    """Fill `out_dir`, which is not there or empty: GGUF files, the Hugging Face model, recipe.json and README.md.

    repo: OWNER/NAME, for the card. Nothing is uploaded. Raises LilmError when the run's model is not exported, or is no
    longer what it was, when its recipe says something else than it was made with, and when `out_dir` holds something;
    nothing is then written.
    """
    if not run.is_dir():
        raise LilmError("no such folder", where=str(run), remedy="give the folder of a run")
    for stage in ("finetune", "export"):
        _check_done(run, stage)
    _check_made_of_it(run)
    recipe = load_recipe(str(run / "lilm.toml"))
    _check_told(run, recipe)
    report = json.loads((run / "export" / "report.json").read_text(encoding="utf-8"))
    bench = _bench(run, reporter)
    template = read_chat_template(run / "finetune")
    origin = read_origin(run / "base") or of_recipe(recipe.base)
    card = Card(recipe, repo, origin, report, bench, template or "")
    files = _files(run, report)
    place = out_dir.resolve().parent
    place.mkdir(parents=True, exist_ok=True)
    here = place.stat().st_dev
    copied = [path for path in files.values() if path.suffix not in LINKED or path.stat().st_dev != here]
    needed = sum(path.stat().st_size for path in copied)
    require_space(place, needed, "the folder for the hub", "give one on the run's disk, where files are links")
    with filling(out_dir) as work:
        for name, path in files.items():
            (work / name).parent.mkdir(exist_ok=True)
            (link_or_copy if path.suffix in LINKED else shutil.copyfile)(path, work / name)
        write_atomic(work / "README.md", card.text)
    total = sum(path.stat().st_size for path in files_below(out_dir))
    reporter.say(f"{out_dir}: {len(files) + 1} files, {size(total)}")
    if (count := card.text.count(UNKNOWN)) > 0:
        reporter.say(f"  licences that nobody told: {count}; see README.md before you publish")
    reporter.say(f"  nothing was uploaded; to do it: hf upload {card.place} {out_dir}")


def _check_done(run: Path, stage: str) -> None:
    manifest = read_manifest(run / stage)
    remedy = f"run `{command('run', '--run', run, '--to', 'export')}`"
    if manifest is None:
        raise LilmError(f"stage {stage} is not done", where=str(run), remedy=remedy)
    if broken := changed_output(run / stage, manifest):
        raise LilmError(f"{broken} is not what stage {stage} wrote", where=str(run / stage), remedy=remedy)


def _check_made_of_it(run: Path) -> None:
    """The GGUF files, the model for transformers beside them and the base that the card names are of one make."""
    export = read_manifest(run / "export")
    for name in ("finetune", "base"):
        made = read_manifest(run / name)
        if export is not None and made is not None and name in export.inputs and not export.is_from(made):
            remedy = f"run `{command('run', '--run', run, '--to', 'export')}`"
            raise LilmError(f"stage export was made from another {name} than lies there", where=str(run), remedy=remedy)


def _check_told(run: Path, recipe: Recipe) -> None:
    """The card tells language, base, texts and licence by the recipe: by that which the run was made with, then. What
    the texts' own licences are decides no file, and may be told later."""
    for name in ("corpus", "base", "finetune", "export"):
        made = read_manifest(run / name)
        if made is not None and (changed := changed_setting(stage_named(name), recipe, made)):
            remedy = f"set it back, or run `{command('run', '--run', run, '--to', 'export')}`"
            raise LilmError(f"{changed} when stage {name} ran", where=str(run / "lilm.toml"), remedy=remedy)


def _bench(run: Path, reporter: Reporter) -> dict[str, Any] | None:
    """The figures of exactly these files, in the form of the stage bench's report: `lilm bench quant`'s, which are of
    more text, where it measured them, else that stage's."""
    bench, export = read_manifest(run / "bench"), read_manifest(run / "export")
    model = read_quant(run, export)
    if model is not None and (told := _of_quant(model)) is not None:
        return told
    if bench is None or not bench.is_from(export):
        reporter.say(f"  the card has no figures: nothing measured these files; {command('bench', 'quant', run)}")
        return None
    found: dict[str, Any] = json.loads((run / "bench" / "report.json").read_text(encoding="utf-8"))
    return found


def _of_quant(model: Mapping[str, Any]) -> dict[str, Any] | None:
    """None for a report of another version."""
    try:
        languages, on = model["languages"], model["measured_on"]
        rows = [
            {"name": row["name"], "quality": {lang: bench_figures(row["texts"][lang]["short"]) for lang in languages}}
            for row in model["files"]
            if not row["control"]
        ]
        return {"files": rows, "measured_on": {lang: on[lang]["short"] for lang in languages}}
    except (KeyError, TypeError):
        return None


def _files(run: Path, report: dict[str, Any]) -> dict[str, Path]:
    """Returns the files by their names in the folder. The importance matrix is among them: recipe.json names it."""
    export = run / "export"
    names = [name for file in report["files"] for name in file.get("parts", [file["name"]])]
    model = [path for path in own_files(run / "finetune") if path.parent == run / "finetune"]
    kept = [path for path in model if path.name == GENERATION or any(path.match(pattern) for pattern in READ)]
    entries = json.loads((export / RECIPE).read_text(encoding="utf-8"))["files"]
    more = [entry["imatrix"]["path"] for entry in entries if "imatrix" in entry]
    if "adapter" in report:
        folder = (export / report["adapter"]["name"]).parent
        more += [path.relative_to(export).as_posix() for path in own_files(export) if path.parent == folder]
    return {name: export / name for name in (*names, *more, RECIPE)} | {path.name: path for path in kept}
