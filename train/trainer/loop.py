"""The loop: steps, checkpoints, measurements, and a clear word when it goes wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lilm.disk import require_space
from lilm.errors import LilmError
from lilm.llama.flops import training_flops
from lilm.llama.peak import peak_flops
from lilm.llama.shape import Shape
from lilm.progress import Reporter
from lilm.recipe import OptimConfig
from lilm.train.pack.packing import IGNORE
from lilm.train.trainer import setback
from lilm.train.trainer.attention import exact_attention, flat_attention
from lilm.train.trainer.batches import BatchAt
from lilm.train.trainer.best import BestWeights, KeepBest
from lilm.train.trainer.checkpoint import (
    Checkpoint,
    checkpoint_bytes,
    go_back_to,
    newest_step,
    open_checkpoint,
    save_checkpoint,
)
from lilm.train.trainer.compiled import compiled_layers, eager
from lilm.train.trainer.engine import Engine, PlainEngine
from lilm.train.trainer.health import DivergenceGuard, Lost, check_finite, losses
from lilm.train.trainer.hosts import micro_batches
from lilm.train.trainer.loss import LossModel
from lilm.train.trainer.optimizer import adamw, keep_level, layers_kept, rows_kept
from lilm.train.trainer.rank import all_sum, barrier, current_rank
from lilm.train.trainer.schedule import learning_rate
from lilm.train.trainer.speed import Speedometer

Metrics = list[dict[str, Any]]


@dataclass(frozen=True)
class Job:
    """One training run.

    batch_at: this process's share of a step's batch. checkpoints: folder of its own. measure: called before the first
    step, every `eval_every` steps and after the last; what it answers (figures, samples) stands in the metrics.
    measured: what it would answer before the first step, where that is known. checkpoint_every: 0: no checkpoints.
    zero: see DistributedConfig; counts when there are several processes. kept_rows: the first rows of the input and
    output matrix that keep their bits; kept_layers: so do the first layers.
    level: unit vector [hidden_size] along which the other rows of the output matrix do not move either, without ZeRO
    (see `keep_level`). embedding_lr_scale: the rate of these two matrices as a part of the rest's. tokenizer_sha256: of
    the tokenizer.json that made the ids, to refuse a checkpoint of another. observe: told the metrics so far and the
    speed after each step, in the first process. engine: what runs the steps, made from the size of a micro-batch, where
    another loss is learnt than that of the labels; what is said of ranks, attention and rows is then its business.
    keep_best: the model ends with the weights of the best measurement, and training when none better is to come.
    """

    label: str
    optim: OptimConfig
    batch_at: BatchAt
    checkpoints: Path
    dtype: str = "float32"
    checkpoint_every: int = 100
    eval_every: int = 0
    measure: Callable[[], dict[str, Any]] | None = None
    measured: dict[str, Any] | None = None
    zero: int = 0
    compile: bool = False
    flat_attention: bool = False
    kept_rows: int = 0
    kept_layers: int = 0
    level: torch.Tensor | None = None
    embedding_lr_scale: float = 1.0
    tokenizer_sha256: str = ""
    observe: Callable[[Metrics, Speedometer], None] | None = None
    engine: Callable[[int], Engine] | None = None
    keep_best: KeepBest | None = None

    def measures_at(self, done: int) -> bool:
        return done == self.optim.steps or bool(self.eval_every and done % self.eval_every == 0)

    def is_over(self, metrics: Metrics) -> bool:
        """Whether it stops here, before its last step."""
        return self.keep_best is not None and self.keep_best.is_over(metrics)


def _engine(model: torch.nn.Module, job: Job, named: dict[str, torch.nn.Parameter]) -> Engine:
    world_size = current_rank().world_size
    size, passes = micro_batches(job.optim, world_size, job.label)
    if job.engine is not None:
        return job.engine(size)
    zero = job.zero if world_size > 1 else 0
    loss_model = LossModel(model, job.dtype, job.flat_attention, cache_casts=zero < 3, kept_rows=job.kept_rows)
    if (
        job.compile and zero < 3 and not _on_cpu(named)
    ):  # ZeRO-3's hooks around each module cut a compiled graph into pieces
        torch.compiler.reset()  # after a stage of other shapes it would compile for any shape, which runs slower
        loss_model.compile()
    optimizer = adamw(model, job.optim, job.kept_rows, job.embedding_lr_scale)
    if job.level is not None and zero == 0:
        keep_level(optimizer, loss_model.output_matrix(), job.kept_rows, job.level)
    if zero == 0:
        return PlainEngine(loss_model, optimizer, named, size, job.optim.max_grad_norm)
    from lilm.train.trainer.deepspeed_engine import DeepSpeedEngine

    return DeepSpeedEngine(loss_model, optimizer, named, zero, size, passes, job.optim.max_grad_norm)


def _on_cpu(named: dict[str, torch.nn.Parameter]) -> bool:
    return next(iter(named.values())).device.type == "cpu"


def _speedometer(model: Any, job: Job, named: dict[str, torch.nn.Parameter]) -> Speedometer:
    """Returns one that knows the FLOPs of a token, and the hardware's when it is a known GPU."""
    window = job.batch_at(0).input_ids.shape[1] if job.optim.steps else 1
    trained = sum(parameter.numel() for parameter in named.values())
    device = next(iter(named.values())).device
    peak = peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    flops = training_flops(Shape.of(model.config.to_dict()), window, trained)
    return Speedometer(flops, peak and peak * current_rank().world_size)


def _newest(job: Job, named: dict[str, torch.nn.Parameter]) -> Checkpoint | None:
    """The newest whole checkpoint, which the first process looks for."""
    found = newest_step(job.checkpoints) if current_rank().rank == 0 else None
    step = int(all_sum([-1 if found is None and current_rank().rank == 0 else found or 0])[0])
    return None if step < 0 else open_checkpoint(job.checkpoints, step, named, job.tokenizer_sha256)


def train(model: torch.nn.Module, job: Job, reporter: Reporter) -> tuple[Metrics, float]:
    """Train the parameters of `model` that require gradients, in place.

    Returns the metrics, one entry a step (loss in nats per token and grad_norm over all processes, lr, what `measure`
    said), and the tokens per second of all processes while training. The same batches, threads and start give the
    same bits, with or without restarts. When the loss is not a number or the run has diverged it goes back to its last
    sound checkpoint, at half the rate (`setback`). Raises LilmError when there is none or that does not help, when the
    disk has no room for a checkpoint, for a checkpoint or a batch that does not fit, and when no layer is left to
    learn.
    """
    with layers_kept(model, job.kept_layers, job.label):
        return _train(model, job, reporter)


def _train(model: torch.nn.Module, job: Job, reporter: Reporter) -> tuple[Metrics, float]:
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    micro_batches(job.optim, current_rank().world_size, job.label)
    needed = checkpoint_bytes(named)
    speed = _speedometer(model, job, named)
    checkpoint = _newest(job, named)
    start, metrics = (checkpoint.step, checkpoint.extra) if checkpoint else (0, [])
    with (
        rows_kept(model, job.kept_rows, job.level),
        flat_attention(model, job.flat_attention),
        compiled_layers(model, job.compile and _on_cpu(named)),
    ):
        engine = _engine(model, job, named)
        if checkpoint is not None:
            engine.restore(checkpoint.state(), start)
        if start < job.optim.steps and job.checkpoint_every:
            _require_room(job, needed, start)
        if not metrics and job.measure is not None:
            metrics.append({"step": 0, **(_measured(model, job) if job.measured is None else job.measured)})
        best = None if job.keep_best is None else BestWeights(job.keep_best, job.checkpoints)
        if best is not None and start == 0:
            best.see(engine, metrics)
        guard = _guard(job, metrics)
        model.train()
        with reporter.bar(job.label, job.optim.steps, start) as bar:
            step, over = start, job.is_over(metrics)
            while step < job.optim.steps and not over:
                speed.start()
                done = step + 1
                try:
                    entry, tokens = _step(engine, job, step, setback.rate_scale(metrics))
                    guard.see(entry["loss"], done)
                except Lost as lost:
                    sound = setback.before(
                        lost, done, guard.sound_step, job.checkpoints, named, job.tokenizer_sha256, reporter
                    )
                    engine.restore(sound.state(), sound.step)
                    step, metrics = sound.step, sound.extra
                    guard = _guard(job, metrics)
                    barrier()  # all have read it
                    if current_rank().rank == 0:
                        go_back_to(sound, job.checkpoints)
                    barrier()
                    bar.advance(step - done + 1)
                    continue
                speed.stop(tokens)
                step = done
                if job.measures_at(done):
                    entry |= _measured(model, job)
                    model.train()
                metrics.append(entry)
                if best is not None and done < job.optim.steps:
                    best.see(engine, metrics)
                over = done == job.optim.steps or (job.measures_at(done) and job.is_over(metrics))
                if job.checkpoint_every and (done % job.checkpoint_every == 0 or over):
                    _save(engine, job, needed, done, metrics, kept=0 if over else guard.sound_step)
                    if best is not None and (over or guard.sound_step == done):
                        best.tidy(metrics)
                if job.observe is not None and current_rank().rank == 0:
                    job.observe(metrics, speed)
                bar.advance(note=f"loss {entry['loss']:#.4g} · {speed.spoken()}")
        engine.close()
    if best is not None:
        whole = dict(model.named_parameters())  # ZeRO leaves others than those that learnt
        best.put_back({name: whole[name] for name in named}, metrics)
    model.eval()
    return metrics, speed.tokens_per_s


def _guard(job: Job, metrics: Metrics) -> DivergenceGuard:
    return DivergenceGuard(job.optim.diverged, job.label, losses(metrics), job.checkpoint_every)


def _step(engine: Engine, job: Job, step: int, rate_scale: float) -> tuple[dict[str, Any], int]:
    """(the metrics of one step, tokens of all processes in it)."""
    batch = job.batch_at(step)
    mine = int((batch.labels != IGNORE).sum())
    counted, tokens = (int(value) for value in all_sum([mine, batch.input_ids.numel()]))
    if counted == 0:
        raise LilmError(f"step {step} has no token to learn", where=job.label, remedy="check the data")
    rate = learning_rate(step, job.optim) * rate_scale
    part, norm = engine.step(batch, counted, rate)
    (loss,) = all_sum([part])
    check_finite(loss, norm, step, job.label)
    return {"step": step + 1, "loss": loss, "lr": rate, "grad_norm": norm}, tokens


def _measured(model: torch.nn.Module, job: Job) -> dict[str, Any]:
    if job.measure is None:
        return {}
    model.eval()
    with exact_attention(model), eager(job.compile):
        return job.measure()


def _require_room(job: Job, needed: int, step: int) -> None:
    if current_rank().rank == 0:
        job.checkpoints.mkdir(parents=True, exist_ok=True)
        remedy = "free some space and start again; it goes on from the last checkpoint"
        require_space(job.checkpoints, needed, f"a checkpoint at step {step}", remedy)


def _save(engine: Engine, job: Job, needed: int, done: int, metrics: Metrics, kept: int = 0) -> None:
    _require_room(job, needed, done)
    state = engine.state()
    if current_rank().rank == 0:
        save_checkpoint(job.checkpoints, done, state, job.tokenizer_sha256, metrics, kept=kept)
    barrier()
