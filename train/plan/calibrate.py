"""What this machine does: a short real training run, in FLOP/s."""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.progress import Reporter
from lilm.recipe import OptimConfig, Recipe
from lilm.train.plan.flops import flops_per_token
from lilm.train.plan.hardware import Hardware
from lilm.train.plan.shape import Shape, shape_of
from lilm.train.trainer.batches import IGNORE, Batch, BatchAt
from lilm.train.trainer.flops import peak_flops
from lilm.train.trainer.loop import Job, train

WARM_UP = 2  # steps that are not counted: kernels are chosen, memory is fetched
CPU_TOKENS = 1024  # of a forward pass of the proxy
CPU_PROXY = {"hidden": 512, "intermediate": 1408, "layers": 4, "heads": 8, "kv_heads": 4, "head_dim": 64, "vocab": 8192}


class _Enough(Exception):
    """The time is up."""


@dataclass
class Clock:
    """Counts learnt tokens, steps and seconds from the `WARM_UP`-th optimizer step on, until `seconds` are over.

    tell: told the seconds that went by since it was told last.
    """

    seconds: float
    tell: Callable[[int], None]
    tokens: int = 0
    steps: int = 0
    spent: float = 0.0
    _started: float = 0.0
    _told: int = 0

    def watched(self, batch_at: BatchAt) -> BatchAt:
        """The same batches; time is read as each is asked for, so a count is of whole steps."""
        learnt: dict[int, int] = {}

        def at(step: int) -> Batch:
            now = time.perf_counter()
            if step == WARM_UP:
                self._started = now
            elif step > WARM_UP:
                self.tokens = sum(count for before, count in learnt.items() if before >= WARM_UP)
                self.steps = step - WARM_UP
                self.spent = now - self._started
                whole = min(int(self.spent), int(self.seconds))
                self.tell(whole - self._told)
                self._told = whole
                if self.spent >= self.seconds:
                    raise _Enough
            batch = batch_at(step)
            learnt[step] = int((batch.labels != IGNORE).sum())
            return batch

        return at

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.spent

    @property
    def step_seconds(self) -> float:
        return self.spent / self.steps


def steady_speed(*arguments: Any, **options: Any) -> float:
    """Tokens that are learnt a second; takes what `steady_clock` does."""
    return steady_clock(*arguments, **options).tokens_per_s


def steady_clock(
    model: torch.nn.Module,
    batch_at: BatchAt,
    optim: OptimConfig,
    dtype: str,
    seconds: float,
    reporter: Reporter,
    label: str,
    **options: Any,
) -> Clock:
    """Our loop on `model`, which is changed, timed over about `seconds`.

    options: of Job. Raises LilmError as `train`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="lilm-speed-") as folder,
        reporter.bar(label, max(1, int(seconds))) as bar,
    ):
        clock = Clock(seconds, bar.advance)
        long = optim.model_copy(update={"steps": 1_000_000})
        job = Job(label, long, clock.watched(batch_at), Path(folder), dtype, checkpoint_every=0, **options)
        with suppress(_Enough):
            train(model, job, Reporter(quiet=True))
    return clock


def random_batches(vocab: int, window: int, rows: int) -> BatchAt:
    """Full windows of random tokens: speed does not depend on what stands in them."""

    def at(step: int) -> Batch:
        ids = torch.randint(0, vocab, (rows, window), generator=torch.Generator().manual_seed(step))
        return Batch(ids, torch.arange(window).expand(rows, window).contiguous(), ids.roll(-1, dims=1))

    return at


def random_llama(shape: Shape, window: int) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocab,
            hidden_size=shape.hidden,
            intermediate_size=shape.intermediate,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            head_dim=shape.head_dim,
            tie_word_embeddings=shape.tied,
            max_position_embeddings=window,
        )
    )


def this_machine(recipe: Recipe, reporter: Reporter, seconds: float = 30.0) -> Hardware:
    """The machine that runs this, its speed measured by training for `seconds` in the recipe's number type.

    On a GPU a model of the recipe's width and window with a quarter of its layers, on a CPU the recipe's model when it
    is small, else CPU_PROXY; the speed is taken over by FLOPs. Where the peak is not known (CPUs), `peak` is what was
    reached and `utilisation` is 1.
    """
    device = prepare_torch(recipe.seed, recipe.threads)
    shape = shape_of(recipe)
    window = recipe.pretrain.sequence_length
    if device.type == "cuda":
        proxy, rows = replace(shape, layers=max(1, shape.layers // 4)), max(1, 8192 // window)
    else:
        window = min(window, 512)
        proxy = shape if shape.parameters <= 20e6 else Shape(**CPU_PROXY, tied=False)
        rows = max(1, CPU_TOKENS // window)
    model = random_llama(proxy, window)
    model.to(device)  # type: ignore[arg-type]
    optim = OptimConfig(steps=1, lr=1e-4, batch_size=rows)
    label = f"measuring {device.type}"
    speed = steady_speed(
        model, random_batches(proxy.vocab, window, rows), optim, recipe.pretrain.dtype, seconds, reporter, label
    )
    reached = speed * flops_per_token(proxy, window, "full", recipe.pretrain.lora, checkpointing=False).model
    return _machine(device, reached, seconds, proxy, window, recipe)


def _machine(
    device: torch.device, reached: float, seconds: float, proxy: Shape, window: int, recipe: Recipe
) -> Hardware:
    memory = float(psutil.virtual_memory().total)
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else f"CPU, {recipe.threads} threads"
    peak = (peak_flops(name) if on_gpu else None) or reached
    return Hardware(
        name="here",
        title=f"this machine ({name})",
        peak=peak,
        utilisation=reached / peak,
        memory=float(torch.cuda.get_device_properties(device).total_memory) if on_gpu else memory,
        host_memory=memory,
        link=10e9,
        source=f"{seconds:.0f} s of training a model of {proxy.parameters / 1e6:.1f}M parameters at {window} tokens, "
        f"{recipe.pretrain.dtype}",
        kind="measured",
        is_cpu=not on_gpu,
    )
