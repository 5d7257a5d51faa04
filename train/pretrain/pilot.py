"""One pilot of `lilm tokenizer compare-sizes`: a vocabulary of some size, trained as the recipe says for so long."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.documents import read_texts
from lilm.llama.config import read_llama_config
from lilm.llama.shape import Shape
from lilm.pipeline.runner import make_context
from lilm.progress import Reporter
from lilm.recipe import OptimConfig, Recipe
from lilm.train.base.model_folder import load_llama
from lilm.train.pack import stage as pack_stage
from lilm.train.plan.calibrate import Clock, steady_clock
from lilm.train.plan.memory import file_bytes
from lilm.train.pretrain.compare import window_of
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_distillation import Distillation
from lilm.train.pretrain.init_model import add_rows
from lilm.train.pretrain.inputs import Tokenizers, open_sequences, open_tokenizers
from lilm.train.pretrain.lora import with_lora
from lilm.train.pretrain.passages import bits
from lilm.train.pretrain.teaching import NOTHING_NEW, prepare_teaching
from lilm.train.tokenizer import stage as tokenizer_stage
from lilm.train.trainer.attention import choose_attention, exact_attention
from lilm.train.trainer.batches import BatchAt, mixed
from lilm.train.trainer.checkpointing import recompute_activations
from lilm.train.trainer.compiled import compiles, eager
from lilm.train.trainer.heldout import BITS, HeldOut
from lilm.train.trainer.loop import Job, Metrics, train
from lilm.train.trainer.speed import Speedometer
from lilm.vocabulary.pieces import new_pieces

VERIFY_LINES = 1000  # the run's own tokenizer stage looks at all that the recipe says
POINTS = 8  # measurements in stage 2, on one passage of EVERY; the last one is on all
EVERY = 6
CALIBRATION = 0.05  # of the pilot's seconds, for each stage
FILE_TYPES = ("Q4_0", "Q8_0", "F16")


@dataclass(frozen=True)
class Trial:
    """What all pilots have the same of. seconds: of computing, for each. steps: instead of seconds, of stage 2."""

    run_dir: Path
    recipe: Recipe
    passages: Mapping[str, list[str]]
    seconds: float
    steps: int
    reporter: Reporter


def run_pilot(trial: Trial, size: int, work: Path) -> dict[str, Any]:
    """Learn `size` pieces, pack the corpus with them and train the base, all in `work`, which is made anew and goes.

    The two stages have the shares of the time that the recipe gives them, and each its whole schedule: how long a step
    takes is measured first, on a copy. Seconds are those in which rows are begun and steps are made; learning the
    pieces, packing and measuring are work of other kinds and do not count.

    Returns pieces, pieces_added, vocab_size, chars_per_token and nats (of each passage) by language, bits_per_byte_…,
    curve [{seconds, stage, step, bits_per_byte_…}] (on one passage of EVERY), steps, seconds, planned_seconds (of the
    recipe's steps), tokens_per_s and mb by file type.
    """
    shutil.rmtree(work, ignore_errors=True)
    folders = {name: trial.run_dir / name for name in ("corpus", "base")}
    for name in ("tokenizer", "pack"):
        folders[name] = work / name
        folders[name].mkdir(parents=True)
    recipe = trial.recipe
    context = make_context(recipe, trial.reporter)
    lines = min(recipe.tokenizer.verify_lines, VERIFY_LINES)
    config = recipe.tokenizer.model_copy(update={"pieces": size, "verify_lines": lines})
    made = tokenizer_stage.run(config, folders, folders["tokenizer"], context).measurements
    pack_stage.run(recipe.pack, folders, folders["pack"], context)
    found = _Pilot(trial, folders, work / "unused").run()
    shutil.rmtree(work)
    shape = Shape.of(read_llama_config(folders["base"]), made["vocab_size"])
    return {
        "pieces": size,
        "pieces_added": made["pieces_added"],
        "vocab_size": made["vocab_size"],
        "chars_per_token": {language: made[language]["merged_chars_per_token"] for language in trial.passages},
        **found,
        "mb": {name: round(file_bytes(shape, name) / 1e6, 2) for name in FILE_TYPES},
    }


class _Pilot:
    def __init__(self, trial: Trial, folders: Mapping[str, Path], unused: Path) -> None:
        recipe = self._recipe = trial.recipe
        self._trial, self._folders, self._unused = trial, folders, unused
        self._device = prepare_torch(recipe.seed, recipe.threads)
        model = load_llama(folders["base"], self._device)
        self._tokenizers: Tokenizers = open_tokenizers(folders["base"], folders["tokenizer"], model)
        self._new = bool(new_pieces(self._tokenizers.base, self._tokenizers.pieces))
        window = window_of(trial.run_dir, recipe)
        self._main, self._replay = (
            open_sequences(folders["pack"], language, self._tokenizers.sha256, window, recipe.seed)
            for language in (recipe.language, recipe.base_language)
        )
        ends = self._tokenizers.base.bos_id, self._tokenizers.base.eos_id
        some = {language: texts[::EVERY] for language, texts in trial.passages.items()}
        self._all = HeldOut(trial.passages, window, *ends, 0, 1, trial.reporter)
        self._some = HeldOut(some, window, *ends, 0, 1, trial.reporter)
        self._curve: list[dict[str, Any]] = []
        self._teaching = NOTHING_NEW

    def run(self) -> dict[str, Any]:
        pretrain = self._recipe.pretrain
        first, second = self._calibrated()
        model, began = self._begun()
        per_step = (first.step_seconds if first else 0.0), second.step_seconds
        planned = [(pretrain.stage1.steps if first else 0), pretrain.stage2.steps]
        whole = sum(steps * each for steps, each in zip(planned, per_step, strict=True))
        seconds = self._trial.seconds or began + self._trial.steps * second.step_seconds
        scale = max(0.0, seconds - began) / whole
        steps = [max(1, round(wanted * scale)) if wanted else 0 for wanted in planned]
        self._point(model, 0.0, 0, 0)
        spent = began
        if steps[0]:
            self._only_new_rows(model)
            speed = self._train(model, 1, pretrain.stage1.model_copy(update={"steps": steps[0]}))
            spent += speed.seconds
            self._point(model, spent, 1, steps[0])
        model.requires_grad_(True)
        trained = self._wrapped(model)
        speed = self._train(trained, 2, pretrain.stage2.model_copy(update={"steps": steps[1]}), spent, model)
        model.eval()
        with exact_attention(model):
            nats = self._all.nats(model, self._tokenizers.encode)
        figures = {BITS + language: bits(values, self._all.texts[language]) for language, values in nats.items()}
        part = {BITS + name: bits(values[::EVERY], self._some.texts[name]) for name, values in nats.items()}
        spent += speed.seconds
        self._curve.append({"seconds": spent, "stage": 2, "step": steps[1], **part})
        return {
            **figures,
            "nats": nats,
            "curve": self._curve,
            "steps": steps,
            "seconds": spent,
            "seconds_wanted": seconds,
            "planned_seconds": began + whole,
            "tokens_per_s": round(speed.tokens_per_s, 1),
        }

    def _begun(self) -> tuple[LlamaForCausalLM, float]:
        """(the base with rows for all pieces, the seconds that took)."""
        recipe, tokenizers = self._recipe, self._tokenizers
        prepare_torch(recipe.seed, recipe.threads)
        model = load_llama(self._folders["base"], self._device)
        texts = read_texts(self._folders["corpus"], recipe.language, "train")
        started = time.monotonic()
        base, pieces, config = tokenizers.base, tokenizers.pieces, recipe.pretrain
        distillation = Distillation.of(config)
        add_rows(model, base, pieces, config.init, recipe.seed, texts, self._trial.reporter, distillation)
        if self._new:
            weight = recipe.pretrain.bigrams
            self._teaching = prepare_teaching(model, self._main, len(tokenizers.base), weight)
        seconds = time.monotonic() - started
        return self._prepared(model), seconds

    def _prepared(self, model: LlamaForCausalLM) -> LlamaForCausalLM:
        if self._recipe.pretrain.gradient_checkpointing:
            recompute_activations(model)
        return model

    def _only_new_rows(self, model: LlamaForCausalLM) -> None:
        model.requires_grad_(False)
        for matrix in both_matrices(model):
            matrix.requires_grad_(True)

    def _wrapped(self, model: LlamaForCausalLM) -> torch.nn.Module:
        """What stage 2 trains."""
        return with_lora(model, self._recipe.pretrain.lora) if self._recipe.pretrain.method == "lora" else model

    def _calibrated(self) -> tuple[Clock | None, Clock]:
        """How long steps of both stages take, on a model of the same shape that then goes."""
        model = self._prepared(load_llama(self._folders["base"], self._device))
        texts: list[str] = []
        add_rows(model, self._tokenizers.base, self._tokenizers.pieces, "covariance", 0, texts, self._trial.reporter)
        if self._new:  # what is taught beside the text takes time too
            weight = self._recipe.pretrain.bigrams
            self._teaching = prepare_teaching(model, self._main, len(self._tokenizers.base), weight)
        first = None
        if self._new and self._recipe.pretrain.stage1.steps:
            self._only_new_rows(model)
            first = self._timed(model, model, 1)
        model.requires_grad_(True)
        return first, self._timed(self._wrapped(model), model, 2)

    def _timed(self, trained: torch.nn.Module, model: LlamaForCausalLM, stage: int) -> Clock:
        options = self._options(model, stage)
        seconds = max(1.0, CALIBRATION * self._trial.seconds)
        return steady_clock(
            trained,
            self._teaching.batches(self._batches(stage), 1, 1),  # of a weight that never falls: however long it takes
            self._optim(stage),
            self._recipe.pretrain.dtype,
            seconds,
            self._trial.reporter,
            f"speed of stage {stage}",
            **options,
        )

    def _optim(self, stage: int) -> OptimConfig:
        return self._recipe.pretrain.stage1 if stage == 1 else self._recipe.pretrain.stage2

    def _batches(self, stage: int) -> BatchAt:
        share = self._recipe.pretrain.replay_in(stage)
        return mixed(self._main, self._replay, share, self._optim(stage).batch_size)

    def _options(self, model: LlamaForCausalLM, stage: int) -> dict[str, Any]:
        """Returns the options of Job, as the pretrain stage has them."""
        pretrain = self._recipe.pretrain
        return {
            "compile": compiles(model, self._device, pretrain.compile),
            "flat_attention": choose_attention(model, self._device, pretrain.dtype),
            "kept_rows": pretrain.kept_rows(stage, len(self._tokenizers.base)),
            "kept_layers": pretrain.kept_layers(stage),
            "level": self._teaching.level if stage == 1 else None,
            "embedding_lr_scale": pretrain.vocabulary_lr_scale(stage),
        }

    def _train(
        self,
        trained: torch.nn.Module,
        stage: int,
        optim: OptimConfig,
        spent: float = 0.0,
        model: LlamaForCausalLM | None = None,
    ) -> Speedometer:
        """Returns how long the steps took. model: measured on the way, the seconds counted from `spent` on."""
        every = max(1, optim.steps // POINTS)
        last: list[Speedometer] = []

        def see(metrics: Metrics, speed: Speedometer) -> None:
            last[:] = [speed]
            step = metrics[-1]["step"]
            if model is not None and step % every == 0 and step < optim.steps:
                self._point(model, spent + speed.seconds, stage, step)
                trained.train()

        job = Job(
            f"{len(self._tokenizers.pieces):,} pieces, stage {stage}",
            optim,
            self._teaching.batches(self._batches(stage), stage, optim.steps),
            self._unused,
            self._recipe.pretrain.dtype,
            checkpoint_every=0,
            observe=see,
            **self._options(model or trained, stage),  # type: ignore[arg-type]
        )
        train(trained, job, self._trial.reporter)
        return last[0]

    def _point(self, model: LlamaForCausalLM, seconds: float, stage: int, step: int) -> None:
        model.eval()
        with exact_attention(model), eager(True):  # asked for while the layers are compiled
            figures = self._some.bits(model, self._tokenizers.encode)
        self._curve.append({"seconds": seconds, "stage": stage, "step": step, **figures})
