"""Weights between the base's and ours: what is forgotten comes back, for a part of what was learnt.

Alexandrov et al. 2024 (arXiv 2407.08699) merge models trained on parts of the data; this is the least of it, one
average at the end, which costs no training.
"""

from dataclasses import replace
from typing import Any

import torch

from lilm.devices import prepare_torch
from lilm.train.base.model_folder import load_llama
from lilm.train.pretrain.inputs import open_tokenizers
from lilm.train.real.contender import Outcome, Trial
from lilm.train.real.measured import bits_of

SHARE = 0.25  # of the base


def averaged(trial: Trial, ours: Outcome) -> Outcome:
    """What becomes of `ours`, the outcome of the trial, with SHARE of the base."""
    device = prepare_torch(trial.recipe.seed, trial.recipe.threads)
    base: Any = load_llama(trial.folder / "base", device)
    model: Any = load_llama(trial.folder / "pretrain", device)
    tokenizers = open_tokenizers(trial.folder / "base", trial.folder / "tokenizer", base)
    average_in(model, base, SHARE)
    found = bits_of(model, tokenizers, trial)
    point = replace(ours.last, ja=found["ja"], en=found["en"])
    settings = {**ours.settings, "share_of_base": SHARE}
    return replace(ours, curve=[ours.curve[0], point], stage1=None, settings=settings)


@torch.no_grad()
def average_in(model: Any, base: Any, share: float) -> None:
    """Make every weight that both have the mean of the two, the base's counting `share`; new rows stay."""
    old = dict(base.named_parameters())
    for name, parameter in model.named_parameters():
        parameter[: len(old[name])].lerp_(old[name], share)
