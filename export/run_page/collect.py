"""What the stages of a run left behind, read for its page; what is not there, or not a number, is left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.export.quality.exported import is_of_export
from lilm.json_file import read_json_object
from lilm.pipeline.artifact import Manifest, read_manifest
from lilm.pipeline.stage import QUANT_REPORT, STAGES, stage_named
from lilm.pipeline.work import changed_setting
from lilm.recipe import Recipe, load_recipe

REPORT = "report.json"


@dataclass(frozen=True)
class RunFigures:
    """manifests: of the finished stages, in their order. reports: their report.json, {} where a stage has none, and of
    a bench that measured another export. outdated: why a stage's folder is not what this recipe makes now of what lies
    there, by stage. quant: the model of `lilm bench quant`'s report, where that measured all files of this very export,
    and no others."""

    folder: Path
    recipe: Recipe
    manifests: Mapping[str, Manifest]
    reports: Mapping[str, dict[str, Any]]
    outdated: Mapping[str, str]
    quant: dict[str, Any] | None

    @property
    def languages(self) -> tuple[str, str]:
        """(the new one, the base's)"""
        return self.recipe.language, self.recipe.base_language

    def measured(self, stage: str, name: str) -> float | None:
        """A figure among a stage's measurements."""
        manifest = self.manifests.get(stage)
        return number(manifest.measurements, name) if manifest is not None else None

    def seconds(self, stage: str) -> float:
        return self.measured(stage, "seconds") or 0.0

    def size(self, stage: str) -> int:
        """Bytes of what a stage wrote and is told in its manifest."""
        return sum(entry["bytes"] for entry in self.manifests[stage].outputs.values())


def read_run(folder: Path) -> RunFigures:
    """Raises LilmError when the folder has no recipe, or no stage is done."""
    recipe = load_recipe(str(folder / "lilm.toml"))
    manifests = {
        stage.name: manifest for stage in STAGES if (manifest := read_manifest(folder / stage.name)) is not None
    }
    if not manifests:
        raise LilmError("no stage is done", where=str(folder), remedy="give the folder of a run")
    reports = {name: _read(folder / name / REPORT) for name in manifests}
    if "bench" in manifests and not manifests["bench"].is_from(manifests.get("export")):
        reports["bench"] = {}
    quant = read_quant(folder, manifests.get("export"))
    return RunFigures(folder, recipe, manifests, reports, _outdated(recipe, manifests), quant)


def _outdated(recipe: Recipe, manifests: Mapping[str, Manifest]) -> dict[str, str]:
    """Stages are asked in their order: what was made from an outdated folder is outdated with it."""
    found: dict[str, str] = {}
    for name, manifest in manifests.items():
        changed = changed_setting(stage_named(name), recipe, manifest)
        read = [one for one in manifest.inputs if one in manifests]
        other = next((one for one in read if not manifest.is_from(manifests[one])), None)
        before = next((one for one in read if one in found), None)
        if changed:
            found[name] = changed
        elif other or before:
            found[name] = f"made from another {other}" if other else f"{before} is out of date"
    return found


def number(values: Any, *names: str) -> float | None:
    """The number at a path of keys; None when it is none, or not there."""
    for name in names:
        values = values.get(name) if isinstance(values, Mapping) else None
    known = isinstance(values, int | float) and not isinstance(values, bool)
    return float(values) if known and values == values else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except LilmError:
        return {}


def read_quant(folder: Path, export: Manifest | None) -> dict[str, Any] | None:
    """What `lilm bench quant` says of the run in `folder`; None where it did not measure the files of this export."""
    match _read(folder / QUANT_REPORT).get("models"):
        case [{"files": [*rows]} as model, *_] if export is not None and is_of_export(rows, export):
            return dict(model)
    return None
