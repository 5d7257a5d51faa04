"""The decisions of 2023, in the loop of 2023: a vocabulary with random rows, LoRA with whole embeddings, padded rows of
Japanese alone."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch

from lilm.devices import prepare_torch
from lilm.memory import PeakMemory
from lilm.recipe import OptimConfig
from lilm.train.base.model_folder import load_llama
from lilm.train.pack.token_store import TokenStore
from lilm.train.plan.calibrate import WARM_UP
from lilm.train.pretrain.bench.seed_loop import learnt_share, padded_batches, seed_steps, with_seed_adapter
from lilm.train.pretrain.embeddings import extend_embeddings
from lilm.train.pretrain.inputs import Tokenizers, open_tokenizers
from lilm.train.real.contender import Outcome, Speed, Trial
from lilm.train.real.measured import Watch, base_bits, measuring
from lilm.train.trainer.schedule import learning_rate

RANK = 256
DTYPE = "float32"  # it was float16, which a CPU has not
BATCHES = 50  # that the share of padding is taken from
Batches = Iterator[dict[str, torch.Tensor]]


class BySeedLoop:
    def speed(self, trial: Trial, seconds: float) -> Speed:
        model, _ = _opened(trial)
        watch = Watch(1, 1, None, None)
        share = learnt_share(_batches(trial), BATCHES)
        places = 0
        with trial.bed.reporter.bar(f"speed of {trial.label}", max(1, int(seconds))) as bar:
            told = 0
            watch.start()
            for done in seed_steps(model, _batches(trial), checkpointing=True, dtype=DTYPE):
                watch.step()
                if watch.done > WARM_UP:
                    places += done
                    spent = sum(watch.step_seconds[WARM_UP:])
                    whole = min(int(spent), int(seconds))
                    bar.advance(whole - told)
                    told = whole
                    if spent >= seconds:
                        break
        times = watch.step_seconds[WARM_UP:]
        return Speed(sum(times) / len(times), places * share / sum(times))

    def train(self, trial: Trial, steps: tuple[int, int]) -> Outcome:
        model, tokenizers = _opened(trial)
        optim = OptimConfig(steps=steps[1], lr=trial.recipe.pretrain.stage2.lr, final_lr=0.0)
        share = learnt_share(_batches(trial), BATCHES)
        learnt = round(trial.tokens_per_step * share)
        watch = Watch(steps[1], learnt, base_bits(trial), measuring(model, tokenizers, trial), trial.points)
        with PeakMemory() as peak, trial.bed.reporter.bar(trial.label, steps[1]) as bar:
            watch.start()
            loop = seed_steps(model, _batches(trial), True, DTYPE, lambda step: learning_rate(step, optim))
            for _ in islice(loop, steps[1]):
                watch.step()
                bar.advance()
        settings = {
            "steps": steps[1],
            "sequence_length": trial.window,
            "batch_size": trial.batch_size,
            "lr": optim.lr,
            "schedule": optim.schedule,
            "warmup": optim.warmup,
            "rank": RANK,
            "init": "random",
            "pieces": trial.recipe.tokenizer.pieces,
        }
        return watch.outcome(peak.mb, settings)


def _opened(trial: Trial) -> tuple[Any, Tokenizers]:
    """The model with its adapter, and the tokenizers."""
    recipe = trial.recipe
    model: Any = load_llama(trial.folder / "base", prepare_torch(recipe.seed, recipe.threads))
    tokenizers = open_tokenizers(trial.folder / "base", trial.folder / "tokenizer", model)
    extend_embeddings(model, tokenizers.base, tokenizers.pieces.names, "random", recipe.seed)
    return with_seed_adapter(model, RANK), tokenizers


def _batches(trial: Trial) -> Batches:
    packed = TokenStore.open(trial.folder / "pack", trial.recipe.language, "train")
    documents = [packed.document(index).tolist() for index in range(packed.n_documents)]
    return padded_batches(documents, trial.window, trial.batch_size)
