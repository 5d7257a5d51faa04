"""Blocks of the larger shape, learnt for as long as there is time: how fast, in how much memory, and whether they come
nearer to the model that teaches them."""

import time
from statistics import median
from typing import Any, Literal

import numpy as np
import torch

from lilm.export.chunk import dequantise_matrix, quantise_matrix
from lilm.export.learned.blocks import Parts
from lilm.export.learned.engine import DistilEngine, narrow
from lilm.export.learned.formats import decode
from lilm.export.learned.kinds import KINDS, Kind
from lilm.export.learned.student import Student
from lilm.llama.layout import Entry, layout
from lilm.llama.shape import Shape
from lilm.recipe import LearnedConfig
from lilm.train.pack.packing import IGNORE
from lilm.train.pretrain.bench.gpu_bed import packed, random_model
from lilm.train.pretrain.bench.gpu_part import Teller
from lilm.train.pretrain.bench.gpu_size import Settings
from lilm.train.trainer.attention import SDPA
from lilm.train.trainer.batches import mixed

QUANT: Literal["Q4_0"] = "Q4_0"
STEPS = 60  # of one batch, which is enough to see the divergence fall


class RoundedModel:
    """What a file of `model` would hold, all its matrices in QUANT, without the file: see StartFile."""

    def __init__(self, model: Any, shape: Shape) -> None:
        self.entries = tuple(layout(shape))
        self._model, self._kind = model, KINDS[QUANT]
        self._threads = torch.get_num_threads()

    def kind(self, entry: Entry) -> Kind | None:
        return self._kind if len(entry.shape) > 1 else None

    def parts(self, entry: Entry, kind: Kind) -> Parts:
        return decode(self._blocks(entry), kind.name)

    def _blocks(self, entry: Entry) -> Any:
        matrix = self._model.get_parameter(entry.source).detach().float().cpu().numpy()
        return quantise_matrix(np.ascontiguousarray(matrix), QUANT, None, self._threads)

    @torch.no_grad()
    def give(self, model: Any) -> None:
        for entry in self.entries:
            if self.kind(entry) is not None:
                rounded = dequantise_matrix(self._blocks(entry), QUANT)
                model.get_parameter(entry.source).copy_(torch.from_numpy(rounded))


def run(settings: Settings, teller: Teller) -> None:
    """Tells of the shape, then after each step the steps so far, the divergence of the first and the last (nats per
    token, of one batch), seconds of a step, tokens a second and the most memory."""
    size, device = settings.size, torch.device(settings.device)
    shape = size.speed
    config = LearnedConfig(quant=QUANT, sequence_length=size.window, batch_size=size.rows[0])
    teacher = random_model(shape, device).eval().requires_grad_(False)
    teacher.set_attn_implementation(SDPA)
    student = Student(teacher, RoundedModel(teacher, shape))
    narrow(teacher)
    batch = mixed(packed(shape, size.window), None, 0.0, config.batch_size)(0)
    counted = int((batch.labels != IGNORE).sum())
    teller.tell(quant=QUANT, parameters=shape.parameters, window=size.window, batch_size=config.batch_size)
    engine = DistilEngine(student, teacher, config, 1 if device.type == "cuda" else config.batch_size)
    losses: list[float] = []
    seconds: list[float] = []
    while len(losses) < STEPS and teller.left() > 2 * max(seconds, default=0.0):
        begun = time.perf_counter()
        losses.append(engine.step(batch, counted, config.lr)[0])
        seconds.append(time.perf_counter() - begun)
        step = median(seconds[1:] or seconds)  # the first one makes AdamW's moments
        teller.tell(
            steps=len(losses),
            kld_first=losses[0],
            kld_last=losses[-1],
            step_s=round(step, 3),
            tokens_per_s=round(counted / step, 1),
            peak_memory_mb=round(torch.cuda.max_memory_allocated() / 1e6) if device.type == "cuda" else None,
        )
