"""A small model trained for as long as there is time, on packed tokens; bits per byte before and after where the tokens
have a text."""

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from lilm.errors import LilmError
from lilm.llama.flops import training_flops
from lilm.llama.shape import Shape
from lilm.progress import Reporter
from lilm.recipe import OptimConfig
from lilm.temporary import temporary_folder
from lilm.train.base.model_folder import check_model_folder, load_llama
from lilm.train.pack.packing import PackedSequences
from lilm.train.pack.token_store import TokenStore, languages
from lilm.train.pretrain.bench.gpu_bed import packed, random_model
from lilm.train.pretrain.bench.gpu_part import Teller
from lilm.train.pretrain.bench.gpu_size import Settings
from lilm.train.trainer.attention import choose_attention, flat_attention
from lilm.train.trainer.batches import Batch, mixed, stack
from lilm.train.trainer.loop import Job, Metrics, train
from lilm.train.trainer.loss import LossModel
from lilm.train.trainer.speed import Speedometer

REPLAY = 0.25  # share of the base's language, where there are two
LR = 5e-4
SMALLER = 0.5  # of the FLOP/s that the larger model reaches; narrower matrices keep a GPU less busy
TELLS = 5.0  # seconds between two words
SEED = 0


class _Enough(Exception):
    """The time is up, or the last step is done."""


def check_inputs(settings: Settings) -> None:
    """Raises LilmError when the base is no Llama, or the tokens have no training split."""
    if settings.base is not None:
        check_model_folder(settings.base)
    if settings.tokens is not None:
        for language in languages(settings.tokens):
            TokenStore.open(settings.tokens, language, "train")


def run(settings: Settings, teller: Teller) -> None:
    """Tells what is trained, `before` and `after` (bits per byte by language), and steps, loss and speed meanwhile."""
    size, device = settings.size, torch.device(settings.device)
    stores = _stores(settings.tokens)
    model: Any = random_model(size.pilot, device) if settings.base is None else None
    if settings.base is not None:
        torch.manual_seed(SEED)
        model = load_llama(settings.base, device)
    window = min(size.window, model.config.max_position_embeddings)
    new_rows = _add_rows(model, settings.tokens)
    flat = choose_attention(model, device, "bfloat16")
    teller.tell(
        base="random weights" if settings.base is None else str(settings.base),
        tokens="made up" if settings.tokens is None else {name: store.n_tokens for name, store in stores.items()},
        parameters=model.num_parameters(),
        new_rows=new_rows,
        window=window,
        batch_size=size.pilot_rows,
    )
    started = time.time()
    if stores:
        teller.tell(before=_bits(model, settings, window, flat))
    measuring = 2 * (time.time() - started) + 2
    per_token = training_flops(Shape.of(model.config.to_dict()), window)
    compiled = device.type == "cuda"
    seconds = teller.left() - measuring - settings.compile_s
    steps = int(seconds * settings.flops * SMALLER / per_token / (size.pilot_rows * window))
    if steps < 1:
        teller.tell(error="no time was left, or no speed was measured to say how many steps it is enough for")
        return
    if stores:
        parts = [PackedSequences(store, window, SEED) for store in stores.values()]
        batch_at = mixed(parts[0], parts[1] if len(parts) > 1 else None, REPLAY, size.pilot_rows)
    else:
        batch_at = mixed(packed(size.pilot, window), None, 0.0, size.pilot_rows)

    def in_time(step: int) -> Batch:
        # a step more is asked for than there is: it would end in a checkpoint, which nobody reads
        if step == steps or teller.left() < measuring:
            raise _Enough
        return batch_at(step)

    said = time.time()

    def observe(metrics: Metrics, speed: Speedometer) -> None:
        nonlocal said
        if time.time() - said > TELLS or len(metrics) in (1, steps):
            said = time.time()
            teller.tell(
                steps=len(metrics),
                steps_planned=steps,
                loss_first=metrics[0]["loss"],
                loss_last=metrics[-1]["loss"],
                tokens_seen=len(metrics) * size.pilot_rows * window,
                tokens_per_s=round(speed.tokens_per_s, 1),
                mfu=speed.mfu and round(speed.mfu, 4),
            )

    optim = OptimConfig(steps=steps + 1, lr=LR, batch_size=size.pilot_rows)
    with temporary_folder("bench") as folder, suppress(_Enough):
        job = Job(
            "pilot",
            optim,
            in_time,
            folder,
            "bfloat16",
            checkpoint_every=steps + 2,
            compile=compiled,
            flat_attention=flat,
            observe=observe,
        )
        train(model, job, Reporter(quiet=True))
    if stores:
        teller.tell(after=_bits(model, settings, window, flat))


def _stores(tokens: Path | None) -> dict[str, TokenStore]:
    if tokens is None:
        return {}
    return {language: TokenStore.open(tokens, language, "train") for language in languages(tokens)}


def _add_rows(model: Any, tokens: Path | None) -> int:
    """Rows for the ids that the base lacks, begun as transformers begins them; returns how many."""
    if tokens is None:
        return 0
    ids = TokenStore.vocab_size(tokens)
    added = max(0, ids - int(model.config.vocab_size))
    if added:
        model.resize_token_embeddings(ids)
    return added


@torch.no_grad()
def _bits(model: Any, settings: Settings, window: int, flat: bool) -> Mapping[str, float]:
    """Bits per UTF-8 byte of the held-out tokens of each language, ends of documents counted in; in bfloat16, as it
    trains."""
    if settings.tokens is None:
        raise LilmError("no tokens", where="--tokens", remedy="give the folder of a pack stage")
    model.eval()
    loss_model, rows, found = LossModel(model, "bfloat16", flat), settings.size.pilot_rows, {}
    for language in languages(settings.tokens):
        store = TokenStore.open(settings.tokens, language, "heldout")
        sequences = PackedSequences(store, window, SEED)
        nats = 0.0
        with flat_attention(model, flat):
            for at in range(0, len(sequences), rows):
                last = min(at + rows, len(sequences))
                batch = stack([sequences.sequence(index) for index in range(at, last)])
                nats += sum(float(loss_model(*inputs)) for inputs in loss_model.inputs(batch, rows))
        found[language] = round(nats / math.log(2) / store.n_bytes, 4)
    return found
