"""The 2023 experiment's way to train, written as one would with transformers and peft: no packing, whole logits."""

import random
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.checkpointing import recompute_activations

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WARM_UP = 2  # steps that are not counted


def padded_batches(documents: list[list[int]], window: int, batch_size: int) -> Iterator[dict[str, torch.Tensor]]:
    """Documents, or windows of longer ones, in random order, each a row, padded to the longest of its batch.

    int64 [batch_size, longest] each: input_ids, attention_mask, labels (unshifted, as transformers wants them).
    """
    rows = [row[at : at + window] for row in documents for at in range(0, len(row), window)]
    rng = random.Random(0)
    while True:
        rng.shuffle(rows)
        for at in range(0, len(rows) - batch_size + 1, batch_size):
            chosen = [torch.tensor(row) for row in rows[at : at + batch_size]]
            ids = torch.nn.utils.rnn.pad_sequence(chosen, batch_first=True)
            lengths = torch.tensor([len(row) for row in chosen])
            mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
            yield {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, IGNORE)}


def learnt_share(batches: Iterator[dict[str, torch.Tensor]], count: int) -> float:
    """Share of the places of the next `count` batches with a token that is learnt: no padding, no first token."""
    labels = [batch["labels"] for batch in islice(batches, count)]
    return sum(int((one[:, 1:] != IGNORE).sum()) for one in labels) / sum(one.numel() for one in labels)


def with_seed_adapter(model: Any, rank: int) -> Any:
    """LoRA of `rank` on seven projections, embeddings as modules_to_save; rank 0: the model as it is."""
    if not rank:
        return model
    adapter = LoraConfig(
        r=rank,
        lora_alpha=rank // 2,
        target_modules=PROJECTIONS,
        modules_to_save=["embed_tokens", "lm_head"],
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, adapter)


def seed_steps(
    model: Any,
    batches: Iterator[dict[str, torch.Tensor]],
    checkpointing: bool,
    dtype: str,
    rate: Callable[[int], float] = lambda step: 2e-4,
) -> Iterator[int]:
    """Train `model`, one step for each answer: the places of its batch, padding too.

    AdamW, gradient checkpointing, the loss that transformers computes. rate: of a step.
    """
    device = model.device
    if checkpointing:
        recompute_activations(model)
        model.enable_input_require_grads()
    model.train()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=rate(0))
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        inputs = {name: value.to(device) for name, value in batch.items()}
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == "bfloat16"):
            loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        float(loss.detach())  # waits for the device
        yield batch["labels"].numel()


def seed_speed(
    model: Any,
    batches: Iterator[dict[str, torch.Tensor]],
    rank: int,
    checkpointing: bool,
    dtype: str,
    seconds: float,
    tell: Callable[[int], None],
) -> float:
    """Places of a batch, padding too, that are worked through a second, over about `seconds`; `model` is changed.

    rank: as `with_seed_adapter`. tell: told each second that went by.
    """
    places = told = 0
    started = time.perf_counter()
    for step, done in enumerate(seed_steps(with_seed_adapter(model, rank), batches, checkpointing, dtype)):
        if step == WARM_UP - 1:
            places, started = 0, time.perf_counter()
            continue
        places += done
        spent = time.perf_counter() - started
        if step >= WARM_UP:
            tell(min(int(spent), int(seconds)) - told)
            told = min(int(spent), int(seconds))
            if spent >= seconds:
                return places / spent
    raise RuntimeError("padded_batches never ends")
