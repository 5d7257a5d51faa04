"""Bits per byte of held-out text, and a watch that runs while a contender trains and stands while it is measured."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lilm.devices import prepare_torch
from lilm.kept import kept
from lilm.pipeline.hashing import sha256_json
from lilm.train.base.model_folder import load_llama
from lilm.train.pretrain.inputs import Tokenizers, open_tokenizers
from lilm.train.real.contender import POINTS, Outcome, Point, Trial
from lilm.train.trainer.heldout import BITS, HeldOut
from lilm.train.trainer.measure import Encode
from lilm.vocabulary.pieces import open_pieces

Bits = Mapping[str, float]
Texts = Mapping[str, list[str]]


def bits(trial: Trial) -> dict[str, float]:
    """Returns bits per byte by language, of the model that the stage `pretrain` left in the trial's folder."""
    device = prepare_torch(trial.recipe.seed, trial.recipe.threads)
    base = load_llama(trial.folder / "base", device)
    tokenizers = open_tokenizers(trial.folder / "base", trial.folder / "tokenizer", base)
    return bits_of(load_llama(trial.folder / "pretrain", device), tokenizers, trial)


def bits_of(model: Any, tokenizers: Tokenizers, trial: Trial) -> dict[str, float]:
    """The same of any model with the merged vocabulary."""
    return _bits(model, (tokenizers.base.bos_id, tokenizers.base.eos_id), tokenizers.encode, trial.texts, trial)


def measuring(model: Any, tokenizers: Tokenizers, trial: Trial) -> Callable[[], Bits]:
    """What measures `model` on the trial's text in the middle of its training."""

    def measure() -> Bits:
        model.eval()
        found = bits_of(model, tokenizers, trial)
        model.train()
        return found

    return measure


def base_bits(trial: Trial) -> dict[str, float]:
    """Returns those of the trial's text, by the base as it is with its own tokenizer; measured once."""

    def measure() -> dict[str, float]:
        base = load_llama(trial.folder / "base", prepare_torch(trial.recipe.seed, trial.recipe.threads))
        own = open_pieces(trial.folder / "base")
        ends = own.bos_id, own.eos_id
        return _bits(base, ends, own.encode, trial.texts, trial)

    of = {**trial.bed.digests(), "window": trial.window, "texts": sha256_json(dict(trial.texts))}
    found: dict[str, float] = kept(
        trial.bed.root / ("before-pilots.json" if trial.choosing else "before.json"), of, measure
    )
    return found


def _bits(model: Any, ends: tuple[int, int], encode: Encode, texts: Texts, trial: Trial) -> dict[str, float]:
    heldout = HeldOut(texts, trial.window, *ends, samples=0, sample_tokens=1, reporter=trial.bed.reporter)
    return {name.removeprefix(BITS): value for name, value in heldout.bits(model, encode).items()}


class Watch:
    """Counts the seconds of training steps, and measures the model at `points` of them.

    `start` before the first step, `step` after each. before: the base's own bits, the curve's first point.
    measure: answers bits by language.
    """

    def __init__(
        self,
        steps: int,
        tokens_per_step: int,
        before: Bits | None,
        measure: Callable[[], Bits] | None,
        points: int = POINTS,
    ) -> None:
        self._steps, self._tokens_per_step, self._measure = steps, tokens_per_step, measure
        self._every = -(-steps // points)
        self.curve = [Point(0.0, 0, before["ja"], before["en"])] if before else []
        self.done = 0
        self.step_seconds: list[float] = []
        self._started = 0.0

    @property
    def seconds(self) -> float:
        return sum(self.step_seconds)

    def outcome(self, peak_memory_mb: float, settings: dict[str, Any]) -> Outcome:
        """Returns the outcome of the run that was watched, without a first stage."""
        return Outcome(
            curve=self.curve,
            stage1=None,
            seconds=round(self.seconds, 1),
            tokens=self.curve[-1].tokens,
            tokens_per_s=round(self.curve[-1].tokens / self.seconds, 1),
            peak_memory_mb=peak_memory_mb,
            settings=settings,
        )

    def start(self) -> None:
        self._started = time.perf_counter()

    def step(self) -> None:
        self.step_seconds.append(time.perf_counter() - self._started)
        self.done += 1
        if self._measure is not None and (self.done % self._every == 0 or self.done == self._steps):
            with torch.no_grad():
                found = self._measure()
            tokens = self.done * self._tokens_per_step
            self.curve.append(Point(round(self.seconds, 1), tokens, found["ja"], found["en"]))
        self.start()
