"""What a trial trains: the base, the tokenizers and the packed text of its run folder."""

from dataclasses import dataclass
from typing import Any

import torch

from lilm.devices import prepare_torch
from lilm.train.base.model_folder import load_llama
from lilm.train.pack.packing import PackedSequences
from lilm.train.pretrain.inputs import Tokenizers, open_sequences, open_tokenizers
from lilm.train.real.bed import LANGUAGES
from lilm.train.real.contender import Trial


@dataclass(frozen=True)
class Opened:
    """model: the base, on `device`, without new rows. main, replay: training text of the language and of the base's."""

    device: torch.device
    model: Any
    tokenizers: Tokenizers
    main: PackedSequences
    replay: PackedSequences


def open_trial(trial: Trial) -> Opened:
    folder, seed = trial.folder, trial.recipe.seed
    device = prepare_torch(seed, trial.recipe.threads)
    model = load_llama(folder / "base", device)
    tokenizers = open_tokenizers(folder / "base", folder / "tokenizer", model)
    main, replay = (
        open_sequences(folder / "pack", language, tokenizers.sha256, trial.window, seed) for language in LANGUAGES
    )
    return Opened(device, model, tokenizers, main, replay)
