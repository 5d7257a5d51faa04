"""The loop: forward, backward, clip, step; checkpoints, measurements, and a clear word when it goes wrong."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import OptimConfig
from lilm.train.trainer.batches import IGNORE, BatchAt
from lilm.train.trainer.checkpoint import load_checkpoint, save_checkpoint
from lilm.train.trainer.loss import summed_loss
from lilm.train.trainer.schedule import learning_rate

Metrics = list[dict[str, Any]]


@dataclass(frozen=True)
class Job:
    """One training run.

    checkpoints: folder of its own. measure: called before the first step, every `eval_every` steps and after
    the last; what it answers stands in the metrics. after_backward: may change gradients before clipping.
    """

    label: str
    optim: OptimConfig
    batch_at: BatchAt
    checkpoints: Path
    dtype: str = "float32"
    checkpoint_every: int = 100
    eval_every: int = 0
    measure: Callable[[], dict[str, float]] | None = None
    after_backward: Callable[[], None] | None = None


def _optimizer(named: dict[str, torch.nn.Parameter], optim: OptimConfig) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices only, never on norms (and nothing else has one dimension)."""
    groups = [
        {"params": [p for p in named.values() if p.ndim > 1], "weight_decay": optim.weight_decay},
        {"params": [p for p in named.values() if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=optim.lr, betas=(0.9, optim.beta2), fused=True)


def _transformer(model: torch.nn.Module) -> tuple[Any, torch.nn.Parameter]:
    """(the network below the output matrix, the output matrix), also of a model wrapped by peft."""
    causal: Any = model
    if not isinstance(causal, PreTrainedModel):
        causal = causal.get_base_model()
    return causal.model, causal.get_output_embeddings().weight


def train(model: torch.nn.Module, job: Job, reporter: Reporter) -> tuple[Metrics, float]:
    """Train the parameters of `model` that require gradients, in place.

    Answers the metrics, one entry a step (loss in nats per token, lr, grad_norm, what `measure` said), and
    the tokens per second of this process. The same batches, threads and start give the same bits, with or
    without restarts. Raises LilmError when the loss is not a number.
    """
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    optimizer = _optimizer(named, job.optim)
    network, output = _transformer(model)
    device = output.device
    loaded = load_checkpoint(job.checkpoints, named, optimizer)
    start, metrics = loaded if loaded else (0, [])
    if not metrics and job.measure is not None:
        metrics.append({"step": 0, **job.measure()})
    model.train()
    tokens, started = 0, time.monotonic()
    with reporter.bar(job.label, job.optim.steps, start) as bar:
        for step in range(start, job.optim.steps):
            batch = job.batch_at(step)
            size = job.optim.micro_batch_size or job.optim.batch_size
            counted = int((batch.labels != IGNORE).sum())
            if counted == 0:
                raise LilmError(f"step {step} has no token to learn", where=job.label, remedy="check the data")
            loss_sum = 0.0
            for micro in batch.split(size):
                part = micro.to(device)
                with torch.autocast(device.type, dtype=torch.bfloat16, enabled=job.dtype == "bfloat16"):
                    hidden = network(
                        input_ids=part.input_ids, position_ids=part.position_ids, use_cache=False
                    ).last_hidden_state
                    loss = summed_loss(hidden, output, part.labels) / counted
                torch.autograd.backward(loss)
                loss_sum += loss.item()
            if job.after_backward is not None:
                job.after_backward()
            norm = float(torch.nn.utils.clip_grad_norm_(list(named.values()), job.optim.max_grad_norm))
            if not math.isfinite(loss_sum) or not math.isfinite(norm):
                raise LilmError(
                    f"the loss is {loss_sum} and the gradient norm {norm} at step {step}",
                    where=job.label,
                    remedy="lower lr or raise warmup in the recipe",
                )
            rate = learning_rate(step, job.optim)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

            done = step + 1
            tokens += batch.input_ids.numel()
            entry: dict[str, Any] = {"step": done, "loss": loss_sum, "lr": rate, "grad_norm": norm}
            if job.measure is not None and (done == job.optim.steps or (job.eval_every and done % job.eval_every == 0)):
                entry |= job.measure()
                model.train()
            metrics.append(entry)
            if done % job.checkpoint_every == 0 or done == job.optim.steps:
                save_checkpoint(job.checkpoints, done, named, optimizer, metrics)
            speed = tokens / (time.monotonic() - started)
            bar.advance(note=f"loss {loss_sum:.3f} · {speed:,.0f} tokens/s")
    model.eval()
    return metrics, tokens / max(1e-9, time.monotonic() - started)
