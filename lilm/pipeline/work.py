"""What a stage's folder is made from, and why it would be made again."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from lilm.disk import writable
from lilm.pipeline.artifact import MANIFEST, Manifest, changed_output, read_manifest
from lilm.pipeline.hashing import sha256_file, sha256_json
from lilm.pipeline.made_by import changed_code, code_of
from lilm.pipeline.stage import Context, Stage
from lilm.recipe import Recipe
from lilm.recipe.section import Section

SHOWN = 60  # characters of a value, in a line


@dataclass(frozen=True)
class Work:
    """What a stage would make its folder from."""

    config: dict[str, Any]
    inputs: dict[str, Any]
    code: dict[str, str]

    def key(self, stage: Stage) -> str:
        return sha256_json({"stage": stage.name, "config": self.config, "inputs": self.inputs})


def work_of(stage: Stage, recipe: Recipe, run_dir: Path, context: Context) -> Work | None:
    """None when a stage before it is not done."""
    inputs = stage_inputs(stage, recipe, run_dir, context)
    return None if inputs is None else Work(stage_config(stage, recipe), inputs, code_of(stage.module))


def stage_config(stage: Stage, recipe: Recipe) -> dict[str, Any]:
    """All recipe values that the stage's output depends on, as JSON."""
    config = getattr(recipe, stage.name)
    section = _hashed(config, config.model_dump(mode="json"))
    return {**{key: getattr(recipe, key) for key in stage.shared}, **stage.also(recipe), stage.name: section}


def _hashed(value: Any, dumped: Any) -> Any:
    """`dumped`, a section as JSON, without what decides no byte, in the sections inside it too."""
    if isinstance(value, Section):
        inner = {name: one for name, one in dumped.items() if name not in value.unhashed}
        return {name: _hashed(getattr(value, name), one) for name, one in inner.items()}
    if isinstance(value, tuple | list):
        return [_hashed(one, other) for one, other in zip(value, dumped, strict=True)]
    return dumped


def stage_inputs(stage: Stage, recipe: Recipe, run_dir: Path, context: Context) -> dict[str, Any] | None:
    """Fingerprints of what the stage reads, or None when a stage before it is not done."""
    inputs: dict[str, Any] = {}
    for name in stage.needs(recipe):
        manifest = read_manifest(run_dir / name)
        if manifest is None:
            return None
        inputs[name] = manifest.digest
    inputs |= {name: sha256_file(path) for name, path in stage.found_beside(run_dir).items()}
    external = getattr(stage.load(), "external", None)
    if external is not None:
        marks: dict[str, str] = external(getattr(recipe, stage.name), context)
        inputs["external"] = {writable(name): mark for name, mark in marks.items()}
    return inputs


def why_again(stage: Stage, run_dir: Path, work: Work, any_code: bool = False) -> str | None:
    """Why the stage's folder is not what `work` would make, in words; None when it is. any_code: LiLM's own code may
    have changed since."""
    folder = run_dir / stage.name
    manifest = read_manifest(folder)
    if manifest is None:
        return "its manifest cannot be read" if (folder / MANIFEST).exists() else "it is not done"
    if manifest.key != work.key(stage):
        return _difference(manifest, work)
    if not any_code and not manifest.code:
        return "an older LiLM made it"
    if not any_code and (changed := changed_code(manifest.code, work.code)):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"LiLM's code has changed: {changed[0]}{more}"
    broken = changed_output(folder, manifest)
    return None if broken is None else f"{broken} is not what it wrote"


def _difference(manifest: Manifest, work: Work) -> str:
    """The first difference between what the folder was made from and what it would be made from."""
    before, now = _flat(manifest.config), _flat(work.config)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            return _changed(name, before.get(name), now.get(name)) or f"{name} has changed"
    for name in sorted(manifest.inputs.keys() | work.inputs.keys()):
        if manifest.inputs.get(name) != work.inputs.get(name):
            return "a file that it reads has changed" if name == "external" else f"{name} has changed"
    return "its manifest was edited"


def changed_setting(stage: Stage, recipe: Recipe, manifest: Manifest) -> str | None:
    """The first setting of the stage's section, or that it shares, which decides what it learnt or wrote and is another
    in `recipe` than it was when the stage ran, in words; None when none is.

    Settings that only one of the two knows belong to another version of LiLM, and do not count; nor do threads.
    """
    now = stage_config(stage, recipe)
    for name in (*stage.shared, stage.name):
        if (
            name != "threads"
            and name in manifest.config
            and (found := _changed(name, manifest.config[name], now[name]))
        ):
            return found
    return None


def _changed(name: str, before: Any, now: Any) -> str | None:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        both = [(f"{name}.{key}", before[key], now[key]) for key in before if key in now]
    elif isinstance(before, list | tuple) and isinstance(now, list | tuple) and len(before) == len(now):
        both = [(f"{name}[{at}]", one, other) for at, (one, other) in enumerate(zip(before, now, strict=True))]
    else:
        return None if before == now else f"{name} is {_short(now, before)}, it was {_short(before, now)}"
    return next((found for one in both if (found := _changed(*one)) is not None), None)


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """The values in nested tables, by dotted name."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {
        path: leaf
        for key, inner in value.items()
        for path, leaf in _flat(inner, f"{name}.{key}" if name else key).items()
    }


def _short(value: Any, other: Any) -> str:
    """The beginning of a long value; where `other` begins alike, what differs."""
    text, beside = repr(value), repr(other)
    if len(text) <= SHOWN:
        return text
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(text, beside, strict=False)))
    start = max(same - SHOWN // 2, 0) if same >= SHOWN else 0
    return "…" * (start > 0) + text[start : start + SHOWN] + "…" * (len(text) > start + SHOWN)
