"""What this machine does: a short real training run, in FLOP/s."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

import psutil
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.llama.flops import forward_flops
from lilm.llama.peak import peak_flops
from lilm.llama.shape import Shape
from lilm.progress import Reporter
from lilm.recipe import OptimConfig, Recipe
from lilm.temporary import temporary_folder
from lilm.train.pack.packing import IGNORE
from lilm.train.plan.flops import Method, method_flops
from lilm.train.plan.hardware import Hardware
from lilm.train.plan.shape import as_trained, base_config, shape_of
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.lora import with_lora
from lilm.train.trainer.attention import choose_attention
from lilm.train.trainer.batches import Batch, BatchAt
from lilm.train.trainer.checkpoint import save_checkpoint
from lilm.train.trainer.checkpointing import recompute_activations
from lilm.train.trainer.compiled import compiles
from lilm.train.trainer.engine import MOMENTS, State
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.measure import Window, text_nats
from lilm.train.trainer.samples import continue_greedily

WARM_UP = 2  # steps that are not counted: kernels are chosen, memory is fetched
CPU_TOKENS = 4096  # of a step at most
OWN = 400e6  # parameters of the largest model that a CPU trains as it is; of a larger one it trains some layers
SAMPLED = 8  # tokens
CHECKPOINT_BYTES = 256e6


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
        temporary_folder("speed") as folder,
        reporter.bar(label, max(1, int(seconds))) as bar,
    ):
        clock = Clock(seconds, bar.advance)
        long = optim.model_copy(update={"steps": 1_000_000})
        job = Job(label, long, clock.watched(batch_at), folder, dtype, checkpoint_every=0, **options)
        with suppress(_Enough):
            train(model, job, Reporter(quiet=True))
    return clock


def random_batches(vocab: int, window: int, rows: int) -> BatchAt:
    """Full windows of random tokens: speed does not depend on what stands in them."""

    def at(step: int) -> Batch:
        ids = torch.randint(0, vocab, (rows, window), generator=torch.Generator().manual_seed(step))
        return Batch(ids, torch.arange(window).expand(rows, window).contiguous(), ids.roll(-1, dims=1))

    return at


def random_llama(shape: Shape) -> LlamaForCausalLM:
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
            max_position_embeddings=shape.context,
        )
    )


def this_machine(recipe: Recipe, reporter: Reporter, seconds: float = 30.0) -> Hardware:
    """The machine that runs this, measured at what the recipe does: both its stages are trained, each for half of
    `seconds`, in its number type; then text is read, a sample written and a checkpoint saved.

    On a GPU a model of the recipe's width and window with a quarter of its layers; on a CPU the recipe's model and
    batch, with fewer layers where it has more than OWN parameters, fewer sequences where these have more than
    CPU_TOKENS tokens. Speeds are taken over by FLOPs. Where the peak is not known (CPUs), `peak` is what was reached
    and `utilisation` is 1.
    """
    device = prepare_torch(recipe.seed, recipe.threads)
    shape = shape_of(recipe)
    config = as_trained(recipe, shape).pretrain
    window = config.sequence_length
    shape = replace(shape, context=window)
    if device.type == "cuda":
        proxy, most = replace(shape, layers=max(1, shape.layers // 4)), 8192
    else:
        share = min(1.0, OWN / shape.parameters)
        proxy, most = replace(shape, layers=max(1, round(shape.layers * share))), CPU_TOKENS
    base_rows = base_config(recipe)["vocab_size"]
    reached: dict[str, float] = {}
    for method, optim in (("new rows", config.stage1), (config.method, config.stage2)):
        if method == "new rows" and not (optim.steps and recipe.tokenizer.pieces):
            continue
        model: Any = random_llama(proxy)
        model.to(device)
        if config.gradient_checkpointing:
            recompute_activations(model)
        trained = with_lora(model, config.lora) if method == "lora" else model
        if method == "new rows":
            model.requires_grad_(False)
            for matrix in both_matrices(model):
                matrix.requires_grad_(True)
        rows = max(1, min(optim.batch_size, most // window)) if device.type == "cpu" else max(1, most // window)
        speed = steady_speed(
            trained,
            random_batches(proxy.vocab, window, rows),
            OptimConfig(steps=1, lr=1e-6, batch_size=rows, micro_batch_size=_divisor(rows, optim.micro_batch_size)),
            config.dtype,
            seconds / 2,
            reporter,
            f"measuring {device.type}, {method}",
            kept_rows=config.kept_rows(1 if method == "new rows" else 2, base_rows),
            kept_layers=min(config.kept_layers(1 if method == "new rows" else 2), model.config.num_hidden_layers - 1),
            flat_attention=choose_attention(model, device, config.dtype),
            compile=compiles(model, device, config.compile),
        )
        flops = method_flops(proxy, window, cast(Method, method), config.lora, config.gradient_checkpointing)
        reached[method] = speed * flops.executed
    reporter.say("  measuring how fast text is read, a sample written and a checkpoint saved")
    grown = shape.parameters / proxy.parameters
    machine = _machine(
        device,
        reached,
        recipe,
        source=f"{seconds:.0f} s of training a model of {proxy.parameters / 1e6:.1f}M parameters at {window} tokens, "
        f"{config.dtype}",
    )
    return replace(
        machine,
        reading=_reading_speed(model, proxy, window),
        token_seconds=_token_seconds(model) * grown,
        writing=_writing_speed(model),
    )


def _reading_speed(model: Any, proxy: Shape, window: int) -> float:
    """FLOP/s while bits per byte are measured."""
    generator = torch.Generator().manual_seed(0)
    rows = max(1, min(16, CPU_TOKENS // window))
    windows = [Window(0, torch.randint(0, proxy.vocab, (window,), generator=generator).tolist()) for _ in range(rows)]
    model.eval()
    text_nats(model, windows[:1], 1)  # kernels are chosen, memory is fetched
    started = time.perf_counter()
    text_nats(model, windows, 1)
    return rows * (window - 1) * forward_flops(proxy, window) / (time.perf_counter() - started)


def _token_seconds(model: Any) -> float:
    """Measures the seconds of one token that is written after others."""
    continue_greedily(model, [1] * 8, 2)
    started = time.perf_counter()
    continue_greedily(model, [1] * 8, SAMPLED)
    return (time.perf_counter() - started) / SAMPLED


def _writing_speed(model: torch.nn.Module) -> float:
    """Bytes/s of a checkpoint, on the disk of temporary files."""
    weights: dict[str, torch.Tensor] = {}
    for name, value in model.named_parameters():
        if sum(tensor.nbytes for tensor in weights.values()) < CHECKPOINT_BYTES / 3:
            weights[name] = value.detach()
    moments = {f"{name}.{moment}": torch.zeros_like(value) for name, value in weights.items() for moment in MOMENTS}
    written = sum(tensor.nbytes for tensor in (*weights.values(), *moments.values()))
    with temporary_folder("speed") as folder:
        started = time.perf_counter()
        save_checkpoint(folder, 1, State(weights, moments), "", [])
        return written / (time.perf_counter() - started)


def _divisor(rows: int, micro: int) -> int:
    """The largest micro-batch up to `micro` that divides `rows`; 0 stays 0, the whole batch at once."""
    return next((size for size in range(min(micro, rows), 0, -1) if rows % size == 0), 0)


def _machine(device: torch.device, reached: Mapping[str, float], recipe: Recipe, source: str) -> Hardware:
    """reached: FLOP/s by what learns, the main stage among it."""
    memory = float(psutil.virtual_memory().total)
    on_gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if on_gpu else f"CPU, {recipe.threads} threads"
    main = reached[recipe.pretrain.method]
    peak = (peak_flops(name) if on_gpu else None) or main
    return Hardware(
        name="here",
        title=f"this machine ({name})",
        peak=peak,
        utilisation=main / peak,
        memory=float(torch.cuda.get_device_properties(device).total_memory) if on_gpu else memory,
        host_memory=memory,
        link=10e9,
        source=source,
        kind="measured",
        is_cpu=not on_gpu,
        reached=reached,
    )
