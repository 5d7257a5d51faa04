"""Run by torchrun in two processes (test_distributed.py): trains with each ZeRO stage, whole and with a break, and
writes what came out as `whole-ZERO.json` and `resumed-ZERO.json` into the folder given; as `best-ZERO.json`, of the one
that keeps its best weights, which are not the last."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import distributed
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.progress import Reporter
from lilm.recipe import OptimConfig
from lilm.train.pack.packing import IGNORE
from lilm.train.trainer.batches import Batch
from lilm.train.trainer.best import KeepBest
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.measure import bits_per_byte
from lilm.train.trainer.rank import barrier, current_rank

VOCAB, KEPT, STEPS = 97, 40, 8


class Killed(Exception):
    pass


def tiny(seed: int = 0) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=VOCAB, tie_word_embeddings=True, num_key_value_heads=2, **shape))


def batch_at(step: int) -> Batch:
    """This process's share of a batch whose halves count differently many labels."""
    ids = torch.randint(0, VOCAB, (8, 16), generator=torch.Generator().manual_seed(step))
    labels = ids.roll(-1, dims=1)
    labels[:3, :7] = IGNORE
    positions = torch.arange(8).repeat(2).expand(8, 16).contiguous()
    rows = list(current_rank().share(8, "batch_size"))
    return Batch(ids[rows], positions[rows], labels[rows])


def run(folder: Path, zero: int, seed: int = 0, kill_at: int = -1, keep_best: KeepBest | None = None) -> dict[str, Any]:
    def batches(step: int) -> Batch:
        if step == kill_at:
            raise Killed
        return batch_at(step)

    model = tiny(seed)
    before = model.model.embed_tokens.weight.detach().clone()
    texts = ["abcdefghij" * n for n in range(1, 8)]
    said = iter((2.0, 0.0, 1.0, 3.0))  # the second measurement is the best

    def measure() -> dict[str, float]:
        def encode(text: str) -> list[int]:
            return [ord(character) % VOCAB for character in text]

        figure = {} if keep_best is None else {keep_best.figure: next(said)}
        return {"bits_per_byte_en": bits_per_byte(model, encode, 1, texts, 16, batch_size=2), **figure}

    optim = OptimConfig(steps=STEPS, lr=1e-2, batch_size=8, micro_batch_size=2)
    job = Job(
        "t",
        optim,
        batches,
        folder,
        checkpoint_every=3,
        eval_every=4,
        measure=measure,
        zero=zero,
        kept_rows=KEPT,
        keep_best=keep_best,
    )
    metrics, _ = train(model, job, Reporter(Console(quiet=True)))
    after = model.model.embed_tokens.weight.detach()
    return {
        "metrics": metrics,
        "kept": torch.equal(before[:KEPT], after[:KEPT]) if seed == 0 else None,
        "measured": measure()["bits_per_byte_en"],
        "weights": {name: float(value.double().abs().sum()) for name, value in model.state_dict().items()},
    }


def main(folder: Path) -> None:
    many = len(sys.argv) > 2
    if many:
        distributed.init_process_group("gloo")
    prepare_torch(0, 1)
    for zero in map(int, sys.argv[2:]) if many else [0]:
        results = {"whole": run(folder / f"whole-{zero}", zero)}
        if many:
            results["best"] = run(folder / f"best-{zero}", zero, keep_best=KeepBest("figure", 0))
            try:
                run(folder / f"cut-{zero}", zero, kill_at=5)
            except Killed:
                results["resumed"] = run(folder / f"cut-{zero}", zero, seed=1)  # all must come from the checkpoint
        if current_rank().rank == 0:
            for name, result in results.items():
                (folder / f"{name}-{zero}.json").write_text(json.dumps(result))
    if many:
        barrier()  # all results are written
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)  # as the worker does: the group's threads, running, abort a process whose destructors run


if __name__ == "__main__":
    main(Path(sys.argv[1]))
