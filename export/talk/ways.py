"""The ways to tune that are compared: each makes a model's folder out of the run's pretrained model."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lilm.devices import prepare_torch
from lilm.export.talk.bed import Bed
from lilm.kept import keep, read_kept
from lilm.memory import trim_memory
from lilm.train.finetune.format import Format

OURS, TRL, SEED = "finetune", "trl", "seed2023"
CHECKPOINTS = "checkpoints"  # of the finetune stage, in its folder
BEFORE, VECTOR = "before", "vector"


@dataclass(frozen=True)
class Way:
    """teach: writes the model to a folder, and answers what it was taught with. format: what its own chats are written
    in, where that is not the run's."""

    title: str
    teach: Callable[[Bed, Path], dict[str, Any]]
    format: Callable[[Bed], Format] | None = None


def _untuned(bed: Bed, folder: Path) -> dict[str, Any]:
    from lilm.train.finetune.learn import finetune

    finetune(bed.config(), bed.folders, folder, bed.context)
    return {}


def _by_recipe(bed: Bed, folder: Path) -> dict[str, Any]:
    from lilm.train.finetune.learn import finetune

    config = bed.config(bed.learnt_file())
    report = finetune(config, bed.folders, folder, bed.context).measurements
    told = {"steps": config.optim.steps, "batch_size": config.optim.batch_size, "lr": config.optim.lr}
    more = {"method": config.method, "replay": config.replay, "epochs": round(report["epochs"], 2)}
    return {**told, **more, "kept_step": report.get("kept_step", config.optim.steps)}


def _by_trl(bed: Bed, folder: Path) -> dict[str, Any]:
    from lilm.export.talk.by_trl import teach_by_trl

    return teach_by_trl(bed, folder)


def _by_seed(bed: Bed, folder: Path) -> dict[str, Any]:
    from lilm.export.talk.by_seed import teach_by_seed

    return teach_by_seed(bed, folder)


def _seed_format(bed: Bed) -> Format:
    from lilm.export.talk.by_seed import seed_format

    return seed_format(bed)


WAYS = {
    BEFORE: Way("not tuned", _untuned),
    OURS: Way("LiLM, as the recipe has it", _by_recipe),
    TRL: Way("TRL's SFTTrainer, its defaults", _by_trl),
    SEED: Way("decisions of 2023", _by_seed, _seed_format),
}


def available(bed: Bed, plain: Path | None = None) -> dict[str, Way]:
    """Those of WAYS that can be gone here; of another a line is said. plain: what the run's base, an instruct model,
    was tuned from, a folder or a GGUF file: its chat vector is one way more.

    Raises LilmError where base and plain are no such models.
    """
    found = dict(WAYS)
    if find_spec("trl") is None:
        bed.reporter.say("  not compared with TRL, which is not installed: pip install trl")
        del found[TRL]
    if plain is not None:
        found[VECTOR] = _vector_way(bed, plain)
    return found


def _vector_way(bed: Bed, plain: Path) -> Way:
    from lilm.train.finetune.vector import open_sources, write_vector_model

    base = bed.folders["base"]
    with open_sources(bed.pretrained, base, plain, bed.reporter) as sources:  # what does not fit is said at once
        chosen = sources.format

    def teach(bed: Bed, folder: Path) -> dict[str, Any]:
        with open_sources(bed.pretrained, base, plain, bed.reporter) as sources:
            return write_vector_model(sources, 1.0, folder, bed.reporter)

    own = chosen.template != bed.format.template
    return Way("chat vector of the base, no chats learnt", teach, (lambda _: chosen) if own else None)


def taught(bed: Bed, name: str, way: Way, of: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """(the model's folder, {"seconds", "settings"}); a way that was gone before with the same `of` is not gone again.
    The seconds are None where its training was stopped between."""
    folder, done = bed.out / "models" / name, bed.out / "models" / f"{name}.json"
    found = read_kept(done, of)
    if found is None or not folder.is_dir():
        resumed = begin(folder, of)
        prepare_torch(bed.recipe.seed, bed.recipe.threads)
        started = time.monotonic()
        settings = way.teach(bed, folder)
        found = {"seconds": None if resumed else round(time.monotonic() - started, 1), "settings": settings}
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        keep(done, of, found)
        trim_memory()
    return folder, found


def begin(folder: Path, of: dict[str, Any]) -> bool:
    """Whether what a killed training left in `folder` is gone on from. A folder that something else was begun in is
    emptied."""
    begun = folder.with_name(f"{folder.name}.begun.json")
    if read_kept(begun, of) is None:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    keep(begun, of, folder.name)
    return any((folder / CHECKPOINTS).glob("*"))
