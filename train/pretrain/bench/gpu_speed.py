"""Tokens per second of a whole step, at a few sizes of a forward pass, without and with torch.compile."""

import gc
import time
from dataclasses import dataclass
from typing import Any

import torch

from lilm.llama.flops import attention_flops, training_flops
from lilm.llama.peak import peak_flops
from lilm.progress import Reporter
from lilm.recipe import OptimConfig
from lilm.train.pack.packing import PackedSequences
from lilm.train.plan.calibrate import steady_speed
from lilm.train.pretrain.bench.gpu_bed import packed, random_model, seen_share
from lilm.train.pretrain.bench.gpu_part import Teller, last_line
from lilm.train.pretrain.bench.gpu_size import Settings
from lilm.train.trainer.attention import choose_attention
from lilm.train.trainer.batches import Batch, mixed

COMPILES = 90.0  # seconds that the first torch.compile may take


@dataclass(frozen=True)
class Try:
    """rows: sequences of a forward pass. bfloat16_embeddings: what the layers hand on is bfloat16 from the embeddings
    on, not float32: less to read and write. The trainer does not do that; this says what it would bring."""

    rows: int
    compiled: bool
    bfloat16_embeddings: bool = False


def tries(settings: Settings) -> list[Try]:
    """The likely best soon, since a compilation takes a minute."""
    eager, small, large = settings.size.rows
    if settings.device != "cuda":  # where the trainer does not compile
        return [Try(eager, False), Try(large, False)]
    return [Try(eager, False), Try(small, True), Try(large, True), Try(large, True, bfloat16_embeddings=True)]


def run(settings: Settings, teller: Teller) -> None:
    """Tells of the shape (parameters, flops_per_token, seen_share), then `tries` as they are done, and the `best`."""
    size, device = settings.size, torch.device(settings.device)
    model = random_model(size.speed, device)
    flops = training_flops(size.speed, size.window)
    # what packed documents spare: attention is counted over the half of a window that a long document sees
    attention = 3 * attention_flops(size.speed, size.window)
    peak = peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    sequences = packed(size.speed, size.window)
    share = seen_share(mixed(sequences, None, 0.0, size.batch_size)(0))
    flat = choose_attention(model, device, "bfloat16")
    teller.tell(
        parameters=model.num_parameters(),
        window=size.window,
        batch_size=size.batch_size,
        flops_per_token=flops,
        peak_tflops=peak and peak / 1e12,
        seen_share=round(share, 4),
        flat_attention=flat,
    )
    done: list[dict[str, Any]] = []
    longest = COMPILES if device.type == "cuda" else 0.0
    for one in tries(settings):
        if done and teller.left() < size.seconds * 2 + (longest if one.compiled else 0.0):
            continue
        try:
            found = _timed(one, model, sequences, settings, flat)
        except torch.OutOfMemoryError:
            found = {"error": "out of memory"}
        except Exception as error:  # one way that fails is a finding; the others are still wanted
            found = {"error": last_line(error)}
        _tidy(model, device)
        if "error" not in found:
            speed = found["tokens_per_s"]
            found["mfu"] = round(speed * flops / peak, 4) if peak else None
            found["mfu_documents"] = round(speed * (flops - attention * (1 - share)) / peak, 4) if peak else None
            longest = found["first_step_s"] * 1.3 if one.compiled else longest
        done.append({"rows": one.rows, "compiled": one.compiled, "bf16_embeddings": one.bfloat16_embeddings, **found})
        best = max((one for one in done if "error" not in one), key=lambda one: one["tokens_per_s"], default=None)
        teller.tell(tries=list(done), best=best)


def _timed(one: Try, model: Any, sequences: PackedSequences, settings: Settings, flat: bool) -> dict[str, Any]:
    size, device = settings.size, model.device
    asked: dict[int, float] = {}
    batch_at = mixed(sequences, None, 0.0, size.batch_size)

    def noted(step: int) -> Batch:
        asked[step] = time.perf_counter()  # the loop looks at the first one before it begins: what counts is the last
        return batch_at(step)

    def narrow(module: torch.nn.Module, arguments: Any, found: torch.Tensor) -> torch.Tensor:
        return found.bfloat16()

    hooks = [model.get_input_embeddings().register_forward_hook(narrow)] if one.bfloat16_embeddings else []
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    try:
        optim = OptimConfig(steps=1, lr=1e-4, batch_size=size.batch_size, micro_batch_size=one.rows, diverged=0.0)
        speed = steady_speed(
            model,
            noted,
            optim,
            "bfloat16",
            size.seconds,
            Reporter(quiet=True),
            "gpu",
            flat_attention=flat,
            compile=one.compiled,
        )
    finally:
        for hook in hooks:
            hook.remove()
    return {
        "tokens_per_s": round(speed, 1),
        "first_step_s": round(asked[1] - asked[0], 2),
        "peak_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6) if device.type == "cuda" else None,
    }


def _tidy(model: Any, device: torch.device) -> None:
    model.zero_grad(set_to_none=True)
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
