"""Training on chats, then on pairs of answers where the recipe has any, measured on what is held out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from lilm.chat.tokens import ChatVocabulary
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.train.finetune.answers import first_questions, pair_questions, watched_tokens
from lilm.train.finetune.format import Format
from lilm.train.finetune.heldout import ANSWERS
from lilm.train.finetune.lessons import Lessons, read_lessons
from lilm.train.finetune.masking import ChatSequences
from lilm.train.finetune.part_way import Witnesses, keep_allowed, write_weights
from lilm.train.finetune.preference import (
    Lesson,
    answer_lengths,
    answer_nats,
    outcome,
    pair_batches,
    pair_engine,
    pair_figures,
    read_preferences,
)
from lilm.train.finetune.store import write_chats, write_heldout
from lilm.train.pack.packing import PackedSequences
from lilm.train.pack.token_store import TokenStore
from lilm.train.pretrain.lora import merge_lora, with_lora
from lilm.train.trainer.batches import BatchAt, Interleaved, mixed
from lilm.train.trainer.best import KeepBest
from lilm.train.trainer.compiled import compiles
from lilm.train.trainer.health import losses
from lilm.train.trainer.logbook import Logbook
from lilm.train.trainer.loop import Job, Metrics, train
from lilm.train.trainer.rank import current_rank
from lilm.train.trainer.samples import Decode
from lilm.vocabulary.pieces import open_pieces


@dataclass(frozen=True)
class Pupil:
    """Who learns: the model, and how it reads and writes a chat."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast
    vocabulary: ChatVocabulary
    format: Format

    @property
    def end(self) -> int:
        """Id of the token that ends an assistant's turn."""
        return self.vocabulary.control[self.format.end_token]

    @property
    def writing(self) -> tuple[Decode, int]:
        """What makes text of an answer's ids, and the id that ends one."""
        return self.tokenizer.backend_tokenizer.decode, self.end


@dataclass(frozen=True)
class Taught:
    """report: what report.json says. volatile: files that hold times."""

    report: dict[str, Any]
    tokens_per_s: int
    volatile: tuple[str, ...]


PREFERENCE = "preference"  # folder of what training on pairs says
BEGUN = "before-pairs.safetensors"  # beside the checkpoints
NOTHING = Taught({"chats": 0}, 0, ())


def teach(pupil: Pupil, config: FinetuneConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Taught:
    """Trains the model in place, and writes the curves, the learnt chats and the held-out ones into `out_dir`.

    Raises LilmError for what is wrong in a source, before the first step, and when training goes wrong.
    """
    model, turns = pupil.model, pupil.format.turns
    window = min(config.sequence_length, model.config.max_position_embeddings)
    lessons = read_lessons(config, turns, pupil.vocabulary, window, context)
    pairs = None
    if config.preference.path:
        heldout = lessons.split.heldout
        pairs = read_preferences(config, heldout, turns, pupil.vocabulary, window, context)
    learnt = [chat.tokens for chat in lessons.split.learnt]
    sequences = ChatSequences(learnt, window, context.seed)
    digest = sha256_file(inputs["pretrain"] / "tokenizer.json")
    kept_rows = len(open_pieces(inputs["base"])) if config.keep_base_rows else 0
    asked = first_questions(lessons.split.heldout, config.samples, turns, pupil.vocabulary, *pupil.writing)
    before = asked.answers(model, config.sample_tokens)
    work = _Work(pupil, config, lessons, out_dir, kept_rows, context)

    replayed = Interleaved(
        tuple(
            PackedSequences(TokenStore.open(inputs["pack"], language, "train", digest), window, context.seed)
            for language in (context.language, context.base_language)
        )
    )
    logbook = Logbook("finetune", out_dir, context.reporter)
    metrics, speed = work.chats(mixed(sequences, replayed, config.replay, config.optim.batch_size), logbook)
    steps = losses(metrics)
    report: dict[str, Any] = {
        **lessons.report,
        "heldout": len(lessons.split.heldout),
        "repeated": lessons.split.repeated,
        "epochs": len(steps) * config.optim.batch_size * (1 - config.replay) / len(sequences),
        "first_loss": steps[0] if steps else None,
        "final_loss": steps[-1] if steps else None,
    }
    if work.keep is not None:
        best = work.keep.entry(metrics)
        report |= {"before": metrics[0][ANSWERS], "after": best[ANSWERS], "kept_step": best["step"]}
        context.reporter.say(f"  {_outcome(report, len(steps))}")
    preference_files: tuple[str, ...] = ()
    if pairs is not None:
        report["preference"], preference_files = work.preferences(pairs)
    if current_rank().rank:
        return NOTHING
    report["answers"] = asked.table(before, asked.answers(model, config.sample_tokens))
    volatile = logbook.end(report["answers"])
    pieces = pupil.tokenizer.backend_tokenizer.get_vocab_size()
    write_chats(learnt, out_dir, pieces, digest, pupil.vocabulary.bos_id, pupil.end)
    write_heldout([chat.messages for chat in lessons.split.heldout], out_dir)
    return Taught(report, round(speed), (*volatile, *preference_files))


@dataclass(frozen=True)
class _Work:
    """What both kinds of training share."""

    pupil: Pupil
    config: FinetuneConfig
    lessons: Lessons
    out_dir: Path
    kept_rows: int
    context: Context

    @property
    def keep(self) -> KeepBest | None:
        return KeepBest(ANSWERS, self.config.patience) if self.lessons.measured else None

    def chats(self, batch_at: BatchAt, logbook: Logbook) -> tuple[Metrics, float]:
        """(metrics, tokens per second)."""
        model, config, measured = self.pupil.model, self.config, self.lessons.measured

        def job(trained: torch.nn.Module) -> Job:
            return Job(
                "finetune",
                config.optim,
                batch_at,
                self.out_dir / "checkpoints",
                dtype=config.dtype,
                checkpoint_every=config.checkpoint_every,
                eval_every=config.eval_every,
                measure=None if measured is None else partial(measured.measure, model),
                zero=config.distributed.zero,
                compile=model.device.type == "cpu" and compiles(model, model.device, "auto"),
                kept_rows=self.kept_rows,
                embedding_lr_scale=self._vocabulary_lr_scale,
                observe=logbook.see,
                keep_best=self.keep,
            )

        return self._train(job, logbook)

    def preferences(self, pairs: Lesson) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Trains on pairs; answers what the report says of it, and the files that hold times."""
        model, config, reporter = self.pupil.model, self.config, self.context.reporter
        taught, measured = config.preference, self.lessons.measured
        asked = pair_questions(pairs.heldout, self.pupil.format.turns, self.pupil.vocabulary, *self.pupil.writing)
        longest = max(watched_tokens(pairs.heldout), config.sample_tokens)
        before = asked.ended_answers(model, longest)
        folder = self.out_dir / PREFERENCE
        folder.mkdir(exist_ok=True)
        logbook = Logbook("preference", folder, reporter, unit="nats per pair")
        reference = [0.0] * len(pairs.learnt)
        if taught.loss == "dpo":
            nats = answer_nats(model, pairs.learnt, config.dtype, reporter)
            reference = [rejected - chosen for chosen, rejected in nats]

        def measure() -> dict[str, float]:
            return {**(measured.measure(model) if measured else {}), **pair_figures(model, pairs.heldout, reporter)}

        def job(trained: torch.nn.Module) -> Job:
            return Job(
                "prefer",
                taught.optim,
                pair_batches(pairs.learnt, reference, taught.optim.batch_size, self.context.seed),
                self.out_dir / "checkpoints" / PREFERENCE,
                dtype=config.dtype,
                checkpoint_every=config.checkpoint_every,
                eval_every=config.eval_every,
                measure=measure,
                kept_rows=self.kept_rows,
                observe=logbook.see,
                engine=pair_engine(trained, config, self.kept_rows, self._vocabulary_lr_scale),
            )

        begun = self.out_dir / "checkpoints" / BEGUN
        write_weights(model, begun)
        witnesses = None
        if taught.most_rise:
            asked_in_pairs = [pair.pair.asked for pair in (*pairs.learnt, *pairs.heldout)]
            some = len(measured.chats) if measured else 0
            witnesses = Witnesses.ask(model, self.lessons.split, some, asked_in_pairs, reporter)
        metrics, _ = self._train(job, logbook)
        first, last = metrics[0], metrics[-1]
        kept, rises = 1.0, dict[str, Any]()
        if witnesses is not None:
            kept, rises = keep_allowed(model, begun, witnesses, taught.most_rise, reporter)
            last = measure() if kept < 1 else last
        after = asked.ended_answers(model, longest)
        figures, said = outcome(first, last, ANSWERS)
        if before:
            lengths, line = answer_lengths(before, after, longest)
            figures, said = {**figures, **lengths}, [line, *said]
        for line in said:
            reporter.say(line)
        counts: dict[str, Any] = {
            "loss": taught.loss,
            "kept": kept,
            **rises,
            "pairs": len(pairs.learnt),
            "heldout": len(pairs.heldout),
            **pairs.report,
        }
        texts = ([text for text, _ in answers] for answers in (before, after))
        volatile = logbook.end(asked.table(*texts)[: config.samples])
        return {**counts, **figures}, tuple(f"{PREFERENCE}/{name}" for name in volatile)

    def _train(self, job: Callable[[torch.nn.Module], Job], logbook: Logbook) -> tuple[Metrics, float]:
        """The job is made for what learns: the model, or an adapter over it, which is merged at the end."""
        model, config = self.pupil.model, self.config
        trained = with_lora(model, config.lora) if config.method == "lora" else model
        logbook.begin(1, 0)
        metrics, speed = train(trained, job(trained), self.context.reporter)
        logbook.end_stage(metrics)
        if config.method == "lora":
            merge_lora(trained)
        return metrics, speed

    @property
    def _vocabulary_lr_scale(self) -> float:
        return self.config.lora.embedding_lr_scale if self.config.method == "lora" else 1.0


def _outcome(report: Mapping[str, Any], steps: int) -> str:
    kept = report["kept_step"]
    where = "" if kept == steps else f"; kept are the weights of step {kept} of {steps}, which were the best"
    return f"held-out answers: {report['before']:.3f} bits per byte before, {report['after']:.3f} after{where}"
