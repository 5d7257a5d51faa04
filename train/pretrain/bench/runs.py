"""Three ways to teach one base a language, on the same tokens: ours, the 2023 experiment's, the Trainer's defaults."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

from lilm.progress import Reporter
from lilm.recipe import LoraConfig, NewRowsOptimConfig, OptimConfig
from lilm.train.base.model_folder import TOKENIZER, load_llama
from lilm.train.pack.packing import PackedSequences
from lilm.train.pretrain.bench.data import Bed
from lilm.train.pretrain.embeddings import both_matrices, extend_embeddings
from lilm.train.pretrain.lora import merge_lora, with_lora
from lilm.train.trainer.batches import Interleaved, mixed
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.measure import bits_per_byte
from lilm.vocabulary.pieces import open_pieces
from lilm.vocabulary.sentencepiece import processor, read_proto

WINDOW = 256  # tokens of a sequence
BATCH = 8  # sequences a step: the Trainer's default, and everyone's here
SEED = 0

OURS: dict[str, Any] = {"stage1_steps": 50, "stage1_lr": 3e-2, "lr": 5e-4, "replay": 0.3, "init": "mean"}
SEED_2023: dict[str, Any] = {"rank": 256, "alpha": 128, "lr": 2e-4, "warmup": 0.05, "init": "random", "replay": 0.0}


@dataclass(frozen=True)
class Outcome:
    """Bits per UTF-8 byte on held-out text: ja; en, of the kind that is replayed; own, what the base wrote.

    seconds: of training alone, measurements left out. settings: everything that was chosen.
    """

    ja: float
    en: float
    own: float
    seconds: float
    tokens: int
    settings: dict[str, Any]


class Runs:
    """All runs on one bed. steps: optimizer steps of each, BATCH × WINDOW tokens a step."""

    def __init__(self, bed: Bed, steps: int, device: torch.device, work: Path, reporter: Reporter) -> None:
        self.bed, self.steps, self.device, self.work, self.reporter = bed, steps, device, work, reporter
        self._spm = processor(read_proto(bed.base / TOKENIZER))
        self._texts = {"ja": bed.japanese.heldout, "en": bed.english.heldout, "own": bed.own}

    def before(self) -> dict[str, float]:
        """Bits per byte of the base with its own tokenizer, by "ja", "en" and "own"."""
        return self._measure(load_llama(self.bed.base, self.device), self._spm.encode)

    def ours(self, **changes: Any) -> Outcome:
        """New rows first, then everything. English is replayed, half of it the data's, half written by the base itself,
        since what it was trained on is not at hand (self-synthesized rehearsal, Huang et al. 2024)."""
        chosen = OURS | changes
        model = self._extended(chosen["init"])
        before = min(chosen["stage1_steps"], self.steps // 2)
        started = time.perf_counter()
        if before:
            model.requires_grad_(False)
            for matrix in both_matrices(model):
                matrix.requires_grad_(True)
            optim = NewRowsOptimConfig(steps=before, lr=chosen["stage1_lr"], batch_size=BATCH)
            job = self._job("ours 1/2 new rows", optim, chosen["replay"], kept_rows=self._spm.vocab_size())
            train(model, job, self.reporter)
            model.requires_grad_(True)
        optim2 = OptimConfig(steps=self.steps - before, lr=chosen["lr"], batch_size=BATCH)
        train(model, self._job("ours 2/2 all parameters", optim2, chosen["replay"], first=before), self.reporter)
        return self._outcome(model, started, chosen)

    def seed_2023(self, **changes: Any) -> Outcome:
        """One stage, LoRA on seven projections with the embeddings, Japanese only.

        It runs in our loop, on packed text: the comparison is of decisions. Its embeddings are trained in place.
        """
        chosen = SEED_2023 | changes
        model = self._extended(chosen["init"])
        started = time.perf_counter()
        lora = LoraConfig(rank=chosen["rank"], alpha=chosen["alpha"], use_rslora=False, train_embeddings=True)
        wrapped = with_lora(model, lora)
        optim = OptimConfig(
            steps=self.steps,
            lr=chosen["lr"],
            batch_size=BATCH,
            warmup=chosen["warmup"],
            schedule="cosine",
            final_lr=0.0,
            weight_decay=0.0,
            beta2=0.999,
        )
        train(wrapped, self._job("seed-2023", optim, chosen["replay"]), self.reporter)
        merge_lora(wrapped)
        return self._outcome(model, started, chosen)

    def trainer(self) -> Outcome:
        """`transformers.Trainer` as run_clm.py uses it, with every default but the number of steps."""
        from lilm.train.pretrain.bench.trainer_defaults import train_by_defaults

        model = load_llama(self.bed.base, self.device)
        model.resize_token_embeddings(len(self.bed.names))  # its default draws the new rows from the old ones' spread
        started = time.perf_counter()
        settings = train_by_defaults(model, self.bed.stores["ja"], WINDOW, self.steps, self.work, self.reporter)
        return self._outcome(model, started, settings)

    def _extended(self, init: Any) -> LlamaForCausalLM:
        model = load_llama(self.bed.base, self.device)
        extend_embeddings(model, open_pieces(self.bed.base), self.bed.names, init, SEED)
        return model

    def _job(self, label: str, optim: OptimConfig, replay: float, first: int = 0, kept_rows: int = 0) -> Job:
        """first: steps done before, whose sequences are not taken again."""
        main, data, own = (PackedSequences(self.bed.stores[name], WINDOW, SEED) for name in ("ja", "en", "own"))
        at = mixed(main, Interleaved((data, own)), replay, BATCH)
        folder = self.work / label.replace("/", "-")
        return Job(
            label,
            optim,
            lambda step: at(first + step),
            folder,
            checkpoint_every=self.steps,
            kept_rows=kept_rows,
        )

    def _outcome(self, model: LlamaForCausalLM, started: float, settings: dict[str, Any]) -> Outcome:
        seconds = time.perf_counter() - started
        figures = self._measure(model.eval(), self.bed.encode)
        self.reporter.say("    " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()))
        common = {"steps": self.steps, "batch_size": BATCH, "sequence_length": WINDOW, "dtype": "float32"}
        return Outcome(**figures, seconds=seconds, tokens=self.steps * BATCH * WINDOW, settings=common | settings)

    def _measure(self, model: LlamaForCausalLM, encode: Any) -> dict[str, float]:
        bos = self._spm.bos_id()
        return {name: bits_per_byte(model, encode, bos, texts, WINDOW) for name, texts in self._texts.items()}
