"""How new pieces are taught faster than the text alone would: what follows them in all of it, and level steps."""

from dataclasses import dataclass

import numpy as np
import torch
from transformers import LlamaForCausalLM

from lilm.train.pack.packing import PackedSequences
from lilm.train.pretrain.bigrams import Bigrams, count_bigrams, taught
from lilm.train.pretrain.init_frequency import hidden_states
from lilm.train.trainer.batches import BatchAt

LEVEL_SEQUENCES = 8  # from which the mean hidden state is taken


@dataclass(frozen=True)
class Teaching:
    """bigrams: None where they have no part in the targets; weight: of theirs at the start. level: for `Job.level` in
    stage 1."""

    bigrams: Bigrams | None
    weight: float
    level: torch.Tensor | None

    def batches(self, at: BatchAt, stage: int, steps: int) -> BatchAt:
        """`at`, with soft targets: `weight` of them in stage 1, less at each step of stage 2, which ends with the text
        itself."""
        if self.bigrams is None:
            return at
        falls = 0.0 if stage == 1 else 1.0 / max(1, steps)
        return taught(at, self.bigrams, lambda step: self.weight * max(0.0, 1.0 - falls * step))


NOTHING_NEW = Teaching(None, 0.0, None)


def prepare_teaching(model: LlamaForCausalLM, sequences: PackedSequences, first: int, weight: float) -> Teaching:
    """Count pairs when `weight` is not 0, and find the mean hidden state of `model` over the first sequences.

    sequences: of the language to learn. first: id of the first new piece; the model has rows for all.
    """
    bigrams = count_bigrams(sequences.documents, first, model.config.vocab_size) if weight else None
    ids = torch.from_numpy(np.stack([sequences.sequence(at).input_ids for at in range(LEVEL_SEQUENCES)]))
    mean = hidden_states(model, ids).mean(dim=0)
    return Teaching(bigrams, weight, mean / mean.norm())
