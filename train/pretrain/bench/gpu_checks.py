"""The trainer's promises, kept on the device that is measured: a fast loop that learns something else is worth nothing.

Each check answers whether it holds, and the figures that say so.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import torch

from lilm.progress import Reporter
from lilm.recipe import OptimConfig
from lilm.temporary import temporary_folder
from lilm.train.pack.packing import IGNORE
from lilm.train.pretrain.bench.gpu_bed import packed, random_model
from lilm.train.pretrain.bench.gpu_part import Teller, last_line
from lilm.train.pretrain.bench.gpu_size import Settings, Size
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.trainer.attention import choose_attention, flat_attention
from lilm.train.trainer.batches import Batch, mixed
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.loss import LossModel, summed_loss

ROWS = 4
EXACT, ROUNDED = 1e-3, 0.02  # how far gradients may be apart in float32 and in bfloat16, as a part of their norm
TYPE = "bfloat16"


class Bed:
    """A small model on the device, made anew for each question, and packed batches of ROWS sequences."""

    def __init__(self, size: Size, device: torch.device) -> None:
        self.size, self.device = size, device
        self.batch_at = mixed(packed(size.check, size.window), None, 0.0, ROWS)
        self.flat = choose_attention(self.model(), device, TYPE)

    def model(self) -> Any:
        return random_model(self.size.check, self.device)

    def gradients(self, batch: Batch, dtype: str, flat: bool, loss_model: LossModel | None = None) -> torch.Tensor:
        """Returns those of all parameters as one float32 vector: the same weights each time."""
        loss_model = loss_model or LossModel(self.model(), dtype, flat)
        loss_model.zero_grad()
        with flat_attention(loss_model.model, flat):
            for inputs in loss_model.inputs(batch, ROWS):
                loss_model(*inputs).backward()
        return torch.cat([p.grad.float().view(-1) for p in loss_model.parameters() if p.grad is not None])

    def losses(self, steps: int, folder: Path, **options: Any) -> list[float]:
        """Returns the losses of a training run in bfloat16. options: of OptimConfig, and of Job."""
        optim = OptimConfig(
            steps=steps, lr=2e-3, batch_size=ROWS, micro_batch_size=options.pop("micro_batch_size", 0), diverged=0.0
        )
        model = options.pop("model", None) or self.model()
        given: dict[str, Any] = {"batch_at": self.batch_at, "checkpoint_every": 3, **options}
        metrics, _ = train(
            model,
            Job("check", optim, checkpoints=folder, dtype=TYPE, flat_attention=self.flat, **given),
            Reporter(quiet=True),
        )
        return [entry["loss"] for entry in metrics]


Found = tuple[bool, dict[str, Any]]


def apart(ours: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((ours - wanted).norm() / wanted.norm())


def documents(batch: Batch) -> list[Batch]:
    """Each document of `batch` as a batch of its own."""
    found = []
    for row in range(len(batch.input_ids)):
        begins = (batch.position_ids[row] == 0).nonzero().view(-1).tolist()
        for begin, end in zip(begins, [*begins[1:], batch.input_ids.shape[1]], strict=True):
            part = slice(row, row + 1), slice(begin, end)
            found.append(Batch(batch.input_ids[part], batch.position_ids[part], batch.labels[part]))
    return [one for one in found if bool((one.labels != IGNORE).any())]


def attention_sees_borders(bed: Bed) -> Found:
    """Packed documents have the gradients that they have alone, in float32; in bfloat16 the way that trains is not
    further from them than twice what masks and bfloat16 are."""
    batch = bed.batch_at(0)
    alone = reduce(torch.add, (bed.gradients(one, "float32", flat=False) for one in documents(batch)))
    distances = {
        "masked_float32": apart(bed.gradients(batch, "float32", flat=False), alone),
        "masked_bfloat16": apart(bed.gradients(batch, TYPE, flat=False), alone),
        "trained": apart(bed.gradients(batch, TYPE, bed.flat), alone),
    }
    holds = distances["masked_float32"] < EXACT and distances["trained"] < 2 * distances["masked_bfloat16"] + EXACT
    return holds, {"documents": len(documents(batch)), "flat": bed.flat, **distances}


def neighbours_do_not_matter(bed: Bed) -> Found:
    """A document has the same loss whatever stands before and behind it in its sequence."""
    third = bed.size.window // 3
    sizes = [third, third, bed.size.window - 2 * third]
    positions = torch.cat([torch.arange(size) for size in sizes])[None]
    labels = torch.full((1, bed.size.window), IGNORE)
    model, found = bed.model(), []
    middle = torch.randint(0, bed.size.check.vocab, (third,), generator=torch.Generator().manual_seed(0))
    labels[0, third : 2 * third - 1] = middle[1:]
    loss_model = LossModel(model, TYPE, bed.flat)
    for seed in range(1, 4):
        ids = torch.randint(0, bed.size.check.vocab, labels.shape, generator=torch.Generator().manual_seed(seed))
        ids[0, third : 2 * third] = middle
        with flat_attention(model, bed.flat), torch.no_grad():
            found.append(float(loss_model(*loss_model.inputs(Batch(ids, positions, labels), 1)[0])))
    return max(found) - min(found) < 1e-5 * found[0], {"same_bits": len(set(found)) == 1, "loss": found[0]}


def compiled_is_the_same(bed: Bed) -> Found:
    """torch.compile, which rounds elsewhere, is not further away than bfloat16 is from float32 several times over, and
    compiles once for any number of documents."""
    batches = [bed.batch_at(step) for step in range(3)]
    eager = [bed.gradients(one, TYPE, bed.flat) for one in batches]
    rounding = apart(eager[0], bed.gradients(batches[0], "float32", flat=False))
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    loss_model = LossModel(bed.model(), TYPE, bed.flat)
    # a CPU's machine code takes a minute to make; what is traced is the same
    loss_model.compile(backend="inductor" if bed.device.type == "cuda" else "aot_eager")
    distances, seconds = [], []
    for batch, wanted in zip(batches, eager, strict=True):
        started = time.perf_counter()
        distances.append(apart(bed.gradients(batch, TYPE, bed.flat, loss_model), wanted))
        seconds.append(round(time.perf_counter() - started, 2))
    counters = torch._dynamo.utils.counters
    graphs, breaks = counters["stats"]["unique_graphs"], sum(counters["graph_break"].values())
    holds = max(distances) < 3 * rounding + EXACT and graphs == 1 and not breaks
    return holds, {
        "apart": max(distances),
        "rounding": rounding,
        "graphs": graphs,
        "graph_breaks": breaks,
        "seconds_each": seconds,
    }


class _Killed(Exception):
    pass


def resumed_is_the_same(bed: Bed) -> Found:
    """A run that was killed goes on to the same losses; on a CPU bit by bit."""

    def killed_at_five(step: int) -> Batch:
        if step == 5:
            raise _Killed
        return bed.batch_at(step)

    with temporary_folder("bench") as made:
        whole = bed.losses(8, made / "whole")
        try:
            bed.losses(8, made / "cut", batch_at=killed_at_five)
        except _Killed:
            wrong_start = bed.model()
            with torch.no_grad():
                for parameter in wrong_start.parameters():
                    parameter.zero_()
            again = bed.losses(8, made / "cut", model=wrong_start)
    furthest = max(abs(one - other) / other for one, other in zip(again, whole, strict=True))
    same = again == whole
    return same or (bed.device.type == "cuda" and furthest < 1e-3), {"same_bits": same, "furthest": furthest}


def micro_batches_are_the_same(bed: Bed) -> Found:
    """A batch in one pass and in two is one step."""
    with temporary_folder("bench") as made:
        whole = bed.losses(3, made / "whole")
        parts = bed.losses(3, made / "parts", micro_batch_size=ROWS // 2)
    furthest = max(abs(one - other) / other for one, other in zip(parts, whole, strict=True))
    return furthest < 2e-3, {"furthest": furthest}


def kept_rows_keep_their_bits(bed: Bed) -> Found:
    """The base's rows do not move in stage 1, the new ones do."""
    model = bed.model()
    old = bed.size.check.vocab // 2
    before = both_matrices(model)[0].detach().clone()
    with temporary_folder("bench") as made:
        bed.losses(3, made, model=model, kept_rows=old)
    after = both_matrices(model)[0].detach()
    moved = int((after[old:] != before[old:]).any(dim=1).sum())
    return torch.equal(after[:old], before[:old]) and moved > 0, {"new_rows_moved": moved}


def loss_is_torchs(bed: Bed) -> Found:
    """The loss in chunks, and its gradients, are torch's own cross-entropy on the same numbers."""
    shape, tokens = bed.size.check, 12 * bed.size.window  # more than one chunk
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(tokens, shape.hidden, generator=generator).bfloat16()
    weight = torch.randn(shape.vocab, shape.hidden, generator=generator).mul(0.1).bfloat16().float()
    labels = torch.randint(0, shape.vocab, (tokens,), generator=generator)
    labels[:5] = IGNORE
    labels = labels.to(bed.device)
    ours, wanted = ([one.to(bed.device).requires_grad_() for one in (hidden, weight)] for _ in range(2))
    total = summed_loss(ours[0][None], ours[1], labels[None])
    total.backward()  # type: ignore[no-untyped-call]
    logits = wanted[0].float() @ wanted[1].T
    torchs = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")
    torchs.backward()  # type: ignore[no-untyped-call]
    gradients = [
        apart(mine.grad.float(), theirs.grad.float())
        for mine, theirs in zip(ours, wanted, strict=True)
        if mine.grad is not None and theirs.grad is not None
    ]
    off = abs(total.item() / torchs.item() - 1)
    return off < 1e-3 and max(gradients) < ROUNDED, {"loss_off": off, "gradients_apart": gradients}


def it_learns(bed: Bed) -> Found:
    """Trains in bfloat16, 20 times over one batch."""
    first = bed.batch_at(0)
    with temporary_folder("bench") as made:
        losses = bed.losses(20, made, batch_at=lambda step: first, checkpoint_every=100)
    return losses[-1] < losses[0] - 0.3, {"first": losses[0], "last": losses[-1]}


CHECKS: tuple[Callable[[Bed], Found], ...] = (
    attention_sees_borders,
    neighbours_do_not_matter,
    loss_is_torchs,
    it_learns,
    resumed_is_the_same,
    micro_batches_are_the_same,
    kept_rows_keep_their_bits,
    compiled_is_the_same,  # the slowest
)


def run(settings: Settings, teller: Teller) -> None:
    """Tells {name of the check: {"holds", "seconds", its figures, or "error"}}."""
    # a full window of many documents is what the speed is for; what is right shows on less
    size = replace(settings.size, window=min(settings.size.window, 512))
    bed = Bed(size, torch.device(settings.device))
    for check in CHECKS:
        started = time.perf_counter()
        try:
            holds, figures = check(bed)
        except Exception as error:  # a kernel that fails is a finding; the others are still wanted
            holds, figures = False, {"error": last_line(error)}
        seconds = round(time.perf_counter() - started, 2)
        teller.tell(**{check.__name__: {"holds": holds, "seconds": seconds, **figures}})
