"""Tokens a second of our loop and of the 2023 experiment's, at a shape where matrix products weigh."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import Any

import torch

from lilm.devices import prepare_torch
from lilm.llama.flops import training_flops
from lilm.llama.peak import peak_flops
from lilm.llama.shape import Shape
from lilm.memory import PeakMemory
from lilm.progress import Reporter
from lilm.recipe import OptimConfig
from lilm.train.pack.memory_store import MemoryStore
from lilm.train.pack.packing import IGNORE, PackedSequences
from lilm.train.plan.calibrate import random_llama, steady_speed
from lilm.train.plan.shape import KNOWN
from lilm.train.pretrain.bench.seed_loop import learnt_share, padded_batches, seed_speed
from lilm.train.trainer.attention import choose_attention
from lilm.train.trainer.batches import mixed

Documents = list[list[int]]
BATCHES = 400  # that the share of learnt places is taken from: in the few that are timed chance would decide
SMALL = Shape(
    vocab=16_384, hidden=384, intermediate=1024, layers=4, heads=6, kv_heads=3, head_dim=64, tied=False, context=1024
)
TINYLLAMA = Shape.of(KNOWN["TinyLlama/TinyLlama-1.1B"], vocab=51_520)


@dataclass(frozen=True)
class Trial:
    """`batch_size` sequences of at most `window` tokens a step, in the type `dtype`. rank, checkpointing: of the 2023
    loop; rank 0: all parameters learn."""

    shape: Shape
    window: int
    batch_size: int
    dtype: str
    seconds: float
    threads: int
    rank: int = 256
    checkpointing: bool = True


TRIALS = {
    "small": Trial(SMALL, window=1024, batch_size=4, dtype="float32", seconds=10, threads=2),
    "tinyllama": Trial(TINYLLAMA, window=2048, batch_size=8, dtype="bfloat16", seconds=60, threads=8),
}


@dataclass(frozen=True)
class Speed:
    """tokens_per_s: tokens that are learnt a second; padding, and first ones of a document, are not. real_share: of
    the places of a batch, those with such a token. peak_memory_mb: on a GPU what torch allocated, else resident. mfu:
    as `lilm pretrain` counts it, None where the peak is not known."""

    tokens_per_s: float
    real_share: float
    peak_memory_mb: float
    mfu: float | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measure_speed(loop: Callable[..., tuple[float, float]], trial: Trial, documents: Documents) -> Speed:
    """Time `loop` (ours or seed_2023) in a process of its own, so that neither's memory counts for the other."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_measured, loop, trial, documents).result()


def _measured(loop: Callable[..., tuple[float, float]], trial: Trial, documents: Documents) -> Speed:
    device = prepare_torch(0, trial.threads)
    model: Any = random_llama(trial.shape)
    model.to(device)
    with PeakMemory() as resident:
        speed, share = loop(model, trial, documents)
    on_gpu = device.type == "cuda"
    peak = peak_flops(torch.cuda.get_device_name(device)) if on_gpu else None
    flops = training_flops(trial.shape, trial.window)
    return Speed(
        tokens_per_s=round(speed, 1),
        real_share=round(share, 4),
        peak_memory_mb=round(torch.cuda.max_memory_allocated() / 1e6, 1) if on_gpu else resident.mb,
        mfu=round(speed * flops / peak, 4) if peak else None,
    )


def ours(model: Any, trial: Trial, documents: Documents) -> tuple[float, float]:
    """(tokens that are learnt a second, their share of all places): packed documents, all parameters."""
    packed = PackedSequences(MemoryStore(documents), trial.window, seed=0)
    batch_at = mixed(packed, None, 0.0, trial.batch_size)
    optim = OptimConfig(steps=1, lr=2e-4, batch_size=trial.batch_size)
    flat = choose_attention(model, model.device, trial.dtype)
    options = {"flat_attention": flat, "compile": model.device.type == "cuda"}  # as the pretrain stage chooses
    speed = steady_speed(model, batch_at, optim, trial.dtype, trial.seconds, Reporter(quiet=True), "ours", **options)
    labels = [batch_at(step).labels for step in range(BATCHES)]
    learnt = sum(int((one != IGNORE).sum()) for one in labels)
    return speed, learnt / sum(one.numel() for one in labels)


def seed_2023(model: Any, trial: Trial, documents: Documents) -> tuple[float, float]:
    """The same of the 2023 experiment's loop."""

    def batches() -> Iterator[dict[str, torch.Tensor]]:
        return padded_batches(documents, trial.window, trial.batch_size)

    share = learnt_share(batches(), BATCHES)
    places = seed_speed(
        model, batches(), trial.rank, trial.checkpointing, trial.dtype, trial.seconds, lambda seconds: None
    )
    return places * share, share
