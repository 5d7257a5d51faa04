"""As LiLM learns, but in stage 2 the half of each layer's columns stays that the base needs most for its English.

Yamaguchi et al. 2025 (arXiv 2512.04844): a column is worth the mean of its weights' sizes times the norm of what it
multiplies on text of the base's language; the upper half keeps its bits. Embeddings and norms learn as before.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from lilm.documents import read_texts
from lilm.memory import PeakMemory
from lilm.recipe import OptimConfig
from lilm.train.pack.packing import PackedSequences
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_model import add_rows
from lilm.train.pretrain.teaching import prepare_teaching
from lilm.train.real.by_stages import ByStages
from lilm.train.real.contender import POINTS, Outcome, Point, Speed, Trial
from lilm.train.real.measured import base_bits, measuring
from lilm.train.real.opened import open_trial
from lilm.train.trainer.attention import choose_attention
from lilm.train.trainer.batches import mixed
from lilm.train.trainer.compiled import compiles
from lilm.train.trainer.loop import Job, Metrics, train

SHIELDED = 0.5  # of the columns of each matrix, as in the paper
SEQUENCES = 64  # of the base's language, from which a column's worth is taken


class ByShielded:
    def speed(self, trial: Trial, seconds: float) -> Speed:
        return ByStages().speed(trial, seconds)  # zeros in a gradient take no longer

    def train(self, trial: Trial, steps: tuple[int, int]) -> Outcome:
        recipe, folder = trial.recipe, trial.folder
        config = recipe.pretrain
        started = time.perf_counter()
        opened = open_trial(trial)
        model, tokenizers, main, replay = opened.model, opened.tokenizers, opened.main, opened.replay
        kept = columns_needed(model, replay)
        texts = read_texts(folder / "corpus", recipe.language, "train")
        add_rows(model, tokenizers.base, tokenizers.pieces, config.init, recipe.seed, texts, trial.bed.reporter)
        teaching = prepare_teaching(model, main, len(tokenizers.base), config.bigrams)
        prepared = time.perf_counter() - started
        measure = measuring(model, tokenizers, trial)
        common: dict[str, Any] = {
            "dtype": config.dtype,
            "checkpoint_every": 0,
            "compile": compiles(model, opened.device, config.compile),
            "flat_attention": choose_attention(model, opened.device, config.dtype),
            "measure": lambda: dict(measure()),
        }

        def learn(number: int, optim: OptimConfig, **options: Any) -> tuple[Metrics, float]:
            mixture = mixed(main, replay, config.replay_in(number), optim.batch_size)
            batches = teaching.batches(mixture, number, optim.steps)
            job = Job(f"{trial.label} {number}/2", optim, batches, folder / "checkpoints", **common, **options)
            return train(model, job, trial.bed.reporter)

        with PeakMemory() as peak:
            model.requires_grad_(False)
            for matrix in both_matrices(model):
                matrix.requires_grad_(True)
            rows = {"kept_rows": len(tokenizers.base), "level": teaching.level}
            first, speed1 = learn(1, config.stage1.model_copy(update={"steps": steps[0]}), measured={}, **rows)
            model.requires_grad_(True)
            # without decay, which would shrink what shall stay
            second = config.stage2.model_copy(update={"steps": steps[1], "weight_decay": 0.0})
            with columns_kept(model, kept):
                metrics, speed = learn(2, second, measured={}, eval_every=-(-steps[1] // POINTS))
        before = base_bits(trial)
        tokens1 = steps[0] * config.stage1.batch_size * trial.window
        seconds1 = prepared + tokens1 / speed1

        def point(entry: Mapping[str, Any], tokens: int) -> Point:
            return Point(round(seconds1 + tokens / speed, 1), tokens1 + tokens, entry["ja"], entry["en"])

        stage1 = point(first[-1], 0)
        later = [point(entry, entry["step"] * trial.tokens_per_step) for entry in metrics if "ja" in entry]
        return Outcome(
            curve=[Point(0.0, 0, before["ja"], before["en"]), stage1, *later],
            stage1=stage1,
            seconds=later[-1].seconds,
            tokens=later[-1].tokens,
            tokens_per_s=round(speed),
            peak_memory_mb=peak.mb,
            settings={**config.model_dump(mode="json"), "stage2": second.model_dump(mode="json"), "shielded": SHIELDED},
        )


@torch.no_grad()
def columns_needed(model: Any, sequences: PackedSequences) -> dict[torch.Tensor, torch.Tensor]:
    """Returns for each Linear of the layers which columns the text of `sequences` needs most: bool [in_features]."""
    linears = [module for module in model.model.layers.modules() if isinstance(module, torch.nn.Linear)]
    squares = {linear: torch.zeros(linear.in_features, device=linear.weight.device) for linear in linears}

    def add(linear: torch.nn.Linear, inputs: tuple[torch.Tensor, ...]) -> None:
        squares[linear] += inputs[0].float().square().flatten(0, -2).sum(dim=0)

    handles = [linear.register_forward_pre_hook(add) for linear in linears]
    was_training = model.training
    model.eval()
    for index in range(SEQUENCES):
        ids = torch.from_numpy(sequences.sequence(index).input_ids)[None].to(model.device)
        model.model(input_ids=ids, use_cache=False)
    model.train(was_training)
    for handle in handles:
        handle.remove()
    found = {}
    for linear in linears:
        worth = linear.weight.float().abs().mean(dim=0) * squares[linear].sqrt()
        needed = torch.zeros(linear.in_features, dtype=torch.bool, device=worth.device)
        needed[worth.topk(round(linear.in_features * SHIELDED)).indices] = True
        found[linear.weight] = needed
    return found


@contextmanager
def columns_kept(model: Any, columns: Mapping[torch.Tensor, torch.Tensor]) -> Iterator[None]:
    """Within, these columns get gradients of exactly 0; AdamW without decay then leaves their bits."""

    def clear(learning: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * learning.to(gradient)

    handles: list[Any] = [
        weight.register_hook(partial(clear, ~needed))  # type: ignore[no-untyped-call]
        for weight, needed in columns.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
