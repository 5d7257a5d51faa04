"""LiLM's own way: the stage `pretrain`, as the recipe says."""

import json
import time
from dataclasses import dataclass, replace
from typing import Any

from lilm.documents import read_texts
from lilm.memory import PeakMemory
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.runner import run_stages
from lilm.pipeline.stage import stage_named
from lilm.train.pack.packing import IGNORE
from lilm.train.plan.calibrate import steady_speed
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_distillation import Distillation
from lilm.train.pretrain.init_model import add_rows
from lilm.train.pretrain.lora import with_lora
from lilm.train.pretrain.teaching import prepare_teaching
from lilm.train.real.bed import LANGUAGES
from lilm.train.real.contender import Outcome, Point, Speed, Trial
from lilm.train.real.measured import bits
from lilm.train.real.opened import open_trial
from lilm.train.trainer.attention import choose_attention
from lilm.train.trainer.batches import BatchAt, mixed
from lilm.train.trainer.compiled import compiles
from lilm.vocabulary.pieces import new_pieces

CHECKPOINTS = 3  # of a run, so that a killed one loses a third
PILOT_BYTES = 2_000  # of the reported text, which a pilot's choice does not look at
LOOKED_AT = 20  # batches that the mean number of learnt tokens is taken from


class ByStages:
    def speed(self, trial: Trial, seconds: float) -> Speed:
        recipe, folder, reporter = trial.recipe, trial.folder, trial.bed.reporter
        config = recipe.pretrain
        opened = open_trial(trial)
        model, tokenizers, main, replay = opened.model, opened.tokenizers, opened.main, opened.replay
        started = time.perf_counter()
        texts = read_texts(folder / "corpus", recipe.language, "train")
        distillation = Distillation.of(config)
        add_rows(model, tokenizers.base, tokenizers.pieces, config.init, recipe.seed, texts, reporter, distillation)
        if new_pieces(tokenizers.base, tokenizers.pieces):
            prepare_teaching(model, main, len(tokenizers.base), config.bigrams)
        prepared = time.perf_counter() - started
        common = {
            "flat_attention": choose_attention(model, opened.device, config.dtype),
            "compile": compiles(model, opened.device, config.compile),
        }

        def measured(model: Any, stage: int, seconds: float) -> tuple[float, float]:
            """(seconds of a step, learnt tokens a second)."""
            optim = config.stage1 if stage == 1 else config.stage2
            batch_at = mixed(main, replay, config.replay_in(stage), optim.batch_size)
            label = f"speed of {trial.label}"
            kept = {
                "kept_rows": config.kept_rows(stage, len(tokenizers.base)),
                "kept_layers": config.kept_layers(stage),
            }
            speed = steady_speed(model, batch_at, optim, config.dtype, seconds, reporter, label, **kept, **common)
            return learnt_per_step(batch_at) / speed, speed

        stage1 = 0.0
        if config.stage1.steps:
            model.requires_grad_(False)
            for matrix in both_matrices(model):
                matrix.requires_grad_(True)
            stage1, _ = measured(model, 1, seconds / 3)
            model.requires_grad_(True)
        learner = with_lora(model, config.lora) if config.method == "lora" else model
        step, speed = measured(learner, 2, seconds)
        return Speed(step, speed, stage1, prepared)

    def train(self, trial: Trial, steps: tuple[int, int]) -> Outcome:
        first, second = steps
        recipe = trial.recipe
        pretrain = recipe.pretrain
        config = pretrain.model_copy(
            update={
                "stage1": pretrain.stage1.model_copy(update={"steps": first}),
                "stage2": pretrain.stage2.model_copy(update={"steps": second}),
                "eval_every": -(-second // trial.points),
                "eval_bytes": PILOT_BYTES if trial.choosing else pretrain.eval_bytes,
                "checkpoint_every": -(-second // CHECKPOINTS),
                "samples": 0,
            }
        )
        with PeakMemory() as peak:
            run_stages(
                recipe.model_copy(update={"pretrain": config}),
                trial.folder,
                [stage_named("pretrain")],
                trial.bed.reporter,
            )
        manifest = read_manifest(trial.folder / "pretrain")
        found = manifest.measurements if manifest else {}
        lines = (trial.folder / "pretrain" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        clock = _Clock(trial, found, first)
        points = [clock.point(entry) for entry in map(json.loads, lines) if "bits_per_byte_ja" in entry]
        before = Point(0.0, 0, *(found["before"][f"bits_per_byte_{language}"] for language in LANGUAGES))
        # a stage measures before its first step too: that point is the base's no longer, and of no interest
        ends = {point.tokens: point for point in points if point.tokens}
        curve = [before, *(ends[tokens] for tokens in sorted(ends))]
        if trial.choosing:
            last = bits(trial)
            curve[-1] = replace(curve[-1], ja=last["ja"], en=last["en"])
        return Outcome(
            curve=curve,
            stage1=ends.get(clock.tokens(first)) if first else None,
            seconds=curve[-1].seconds,
            tokens=curve[-1].tokens,
            tokens_per_s=found["tokens_per_s"],
            peak_memory_mb=peak.mb,
            settings=config.model_dump(mode="json"),
        )


@dataclass(frozen=True)
class _Clock:
    """Tells the seconds of a step from the speeds in the stage's manifest."""

    trial: Trial
    found: dict[str, Any]
    first: int

    def point(self, entry: dict[str, Any]) -> Point:
        pretrain, found = self.trial.recipe.pretrain, self.found
        first, second = self._done(entry["step"])
        seconds = first * pretrain.stage1.batch_size * self.trial.window / max(1, found["tokens_per_s_stage1"])
        seconds += second * self.trial.tokens_per_step / max(1, found["tokens_per_s"])
        return Point(
            seconds=round(found["prepare_seconds"] + seconds, 1),
            tokens=self.tokens(entry["step"]),
            ja=entry["bits_per_byte_ja"],
            en=entry["bits_per_byte_en"],
        )

    def tokens(self, step: int) -> int:
        """Read until `step`, which counts through both stages."""
        first, second = self._done(step)
        return (
            first * self.trial.recipe.pretrain.stage1.batch_size * self.trial.window
            + second * self.trial.tokens_per_step
        )

    def _done(self, step: int) -> tuple[int, int]:
        return min(step, self.first), max(0, step - self.first)


def learnt_per_step(batch_at: BatchAt) -> float:
    """Tokens that a step learns, on average."""
    return sum(int((batch_at(step).labels != IGNORE).sum()) for step in range(LOOKED_AT)) / LOOKED_AT
