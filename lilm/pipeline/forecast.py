"""How long a run still takes: what its stages took before, here or in another run on this machine."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lilm.cache import cache_dir
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import sha256_json, write_json
from lilm.pipeline.stage import Stage
from lilm.progress import clock
from lilm.recipe import Recipe

LEAST = 20.0  # seconds; less is not worth a word
ROUNDED = ((3600.0, 300.0), (600.0, 60.0), (0.0, 10.0))  # seconds from which on -> to which they are rounded


def about(seconds: float) -> str:
    """Words for a time that is not known well.

    >>> about(43), about(754), about(19_000)
    ('about 0:40', 'about 13:00', 'about 5:15:00')
    """
    step = next(step for least, step in ROUNDED if seconds >= least)
    return f"about {clock(max(step, round(seconds / step) * step))}"


def amount(stage: str, recipe: Recipe) -> float:
    """Work of a stage that a recipe sets, in tokens; 1 for a stage whose work is the text's, or always the same."""
    pretrain, finetune = recipe.pretrain, recipe.finetune
    sequences = {
        "pretrain": sum(one.steps * one.batch_size for one in (pretrain.stage1, pretrain.stage2)),
        "finetune": finetune.optim.steps * finetune.optim.batch_size if finetune.sources else 0,
    }
    lengths = {"pretrain": pretrain.sequence_length, "finetune": finetune.sequence_length}
    if stage in sequences:
        return float(sequences[stage] * lengths[stage])
    # the base, the pretrained model, F16 and the files
    return float(recipe.bench.eval_tokens * (3 + len(recipe.export.files))) if stage == "bench" else 1.0


@dataclass(frozen=True)
class Times:
    """Seconds that stages took on this machine, in a file of the user's cache: the last ones by stage, base and
    threads. What the file lacks, or holds in another shape, is not known."""

    path: Path

    @classmethod
    def of_machine(cls) -> "Times":
        return cls(cache_dir() / "times.json")

    def note(self, stage: str, recipe: Recipe, seconds: float) -> None:
        """A cache that cannot be written is done without."""
        work = amount(stage, recipe)
        if not work:
            return
        entries = {**self._entries(), _key(stage, recipe): [work, round(seconds, 1)]}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.path, entries)
        except OSError:
            return

    def seconds(self, stage: str, recipe: Recipe) -> float | None:
        """What the recipe's work would take; training of chats as fast as pretraining where only that is known."""
        entries, work = self._entries(), amount(stage, recipe)
        if not work:
            return 0.0
        for like in (stage, "pretrain") if stage == "finetune" else (stage,):
            match entries.get(_key(like, recipe)):
                case [int() | float() as done, int() | float() as took] if done > 0 and took >= 0:
                    return float(took / done * work)
        return None

    def _entries(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _key(stage: str, recipe: Recipe) -> str:
    base = recipe.base.model_dump(mode="json", exclude={"license", "revision"})
    return f"{stage} {sha256_json([base, recipe.threads, recipe.language])[:12]}"


class Forecast:
    """What is left of a run of `stages`, of which those `at_work` may have work: what they took in this run before,
    else on this machine. A stage of which that is not known counts for nothing, and `left` then says "at least"."""

    def __init__(
        self, times: Times, recipe: Recipe, run_dir: Path, stages: Sequence[Stage], at_work: Sequence[Stage]
    ) -> None:
        self.times = times
        self._names = [stage.name for stage in stages]
        self._known = {
            stage.name: _before(run_dir, stage, recipe) or times.seconds(stage.name, recipe)
            for stage in stages
            if stage in at_work
        }
        self._stage, self._begun = "", time.monotonic()

    def begin(self, stage: str) -> str:
        """ " (stage 3 of 10, about 5:15:00 left in all)", "" for one alone."""
        self._stage, self._begun = stage, time.monotonic()
        self._known.setdefault(stage, None)
        if len(self._names) == 1:
            return ""
        left = self.left()
        return f" (stage {self._names.index(stage) + 1} of {len(self._names)}" + (f", {left})" if left else ")")

    @property
    def knows_training(self) -> bool:
        """Whether it is known how long the longest stage takes; also where it is none of those at work."""
        return self._known.get("pretrain", 0.0) is not None

    def end(self, stage: str) -> None:
        """It is done, or had no work."""
        self._known.pop(stage, None)

    def left(self, of_bar: float = 0.0) -> str:
        """Of the whole run, "" where it is too little or nothing is known. of_bar: seconds that the work at hand, a
        part of this stage, still takes."""
        own = self._known.get(self._stage)
        spent = time.monotonic() - self._begun
        rest = max(of_bar, own - spent if own is not None else 0.0)
        later = [seconds for name, seconds in self._known.items() if name != self._stage]
        whole = rest + sum(seconds for seconds in later if seconds is not None)
        if whole < LEAST:
            return ""
        sure = (own is not None or of_bar > 0) and None not in later
        return ("" if sure else "at least ") + f"{about(whole)} left in all"


def _before(run_dir: Path, stage: Stage, recipe: Recipe) -> float | None:
    """What the recipe's work would take by what the stage took in this run; None where that is not known."""
    manifest = read_manifest(run_dir / stage.name)
    if manifest is None or manifest.measurements.get("resumed"):  # the last of several tries tells nothing
        return None
    seconds, done = manifest.measurements.get("seconds"), amount(stage.name, recipe)
    if not isinstance(seconds, int | float):
        return None
    if done != 1.0:
        given = recipe.model_dump(mode="json")
        earlier = {name: value for name, value in manifest.config.items() if name in given}
        for name, value in earlier.items():
            given[name] = {**given[name], **value} if isinstance(value, dict) and given[name] else value
        try:
            done = amount(stage.name, Recipe.model_validate(given))
        except ValidationError:  # an older LiLM's
            return None
    return seconds / done * amount(stage.name, recipe) if done else None
