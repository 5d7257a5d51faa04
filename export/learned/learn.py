"""Learns the blocks of a quantised file by the divergence of what they compute from the full model, and writes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.devices import prepare_torch
from lilm.errors import LilmError
from lilm.export.full_model import load_full
from lilm.export.learned.engine import DistilEngine, measured
from lilm.export.learned.student import Student
from lilm.export.learned.write import write_learnt
from lilm.pipeline.stage import Context
from lilm.recipe import LearnedConfig
from lilm.train.finetune.store import open_chats
from lilm.train.pack.packing import PackedSequences
from lilm.train.pack.token_store import TokenStore
from lilm.train.pretrain.inputs import open_sequences
from lilm.train.trainer.attention import SDPA
from lilm.train.trainer.batches import Batch, Blend, Sequences, TrainingSequence, mixed, stack
from lilm.train.trainer.compiled import compiled_layers, compiles
from lilm.train.trainer.engine import Engine
from lilm.train.trainer.logbook import Logbook
from lilm.train.trainer.loop import Job, train

KEPT_TOKENS = 4096  # of each language, for measuring: nothing is learnt from them
KEPT_SHARE = 10  # at most one sequence in so many


@dataclass(frozen=True)
class Stretch:
    """The sequences begin … end - 1 of `source`, again and again."""

    source: Sequences
    begin: int
    end: int

    def sequence(self, index: int) -> TrainingSequence:
        return self.source.sequence(self.begin + index % (self.end - self.begin))


@dataclass(frozen=True)
class Learned:
    """What learning did.

    tokens: steps * sequences in a step * tokens that a sequence has room for. stock, before, after: `kld` in nats per
    token and `same_top`, a share, on text that is not learnt from; of llama.cpp's file, of the blocks before the first
    step, and of those after the last. kept: names of the matrices whose type cannot be learnt. volatile: files of the
    log that differ from run to run.
    """

    quant: str
    steps: int
    tokens: int
    stock: dict[str, float]
    before: dict[str, float]
    after: dict[str, float]
    kept: tuple[str, ...]
    volatile: tuple[str, ...]

    @property
    def note(self) -> str:
        """Returns a line for the report: how the file was made, and what learning changed."""
        left = f"; {len(self.kept)} matrices are of types that are not learnt" if self.kept else ""
        return (
            f"blocks learnt from the F16 file in {self.steps:,} steps of {self.tokens:,} tokens together; KLD on text "
            f"kept apart {self.stock['kld']:.4f} → {self.after['kld']:.4f}, same top token "
            f"{self.stock['same_top']:.1%} → {self.after['same_top']:.1%}{left}"
        )

    def report(self) -> dict[str, Any]:
        figures = {"stock": self.stock, "before": self.before, "after": self.after}
        return {"steps": self.steps, "tokens": self.tokens, **figures, "kept": list(self.kept)}


def learn(
    config: LearnedConfig, source: Path, pack: Path, start: Path, target: Path, log: Path, context: Context
) -> Learned:
    """Write `target`: `start`, llama.cpp's file of the model in the folder `source`, with its blocks learnt from the
    training text in `pack`. Types and metadata are those of `start`. log: a folder for the curves.

    Checkpoints go beside the log, so that a killed run goes on. The bytes depend on the inputs, the seed and the number
    of threads. Raises LilmError for text that is too little or another model's, and when learning diverges.
    """
    device = prepare_torch(context.seed, context.threads)
    teacher = load_full(source, device)
    teacher.set_attn_implementation(SDPA)
    window = min(config.sequence_length, teacher.config.max_position_embeddings)
    pieces = TokenStore.vocab_size(pack)
    if pieces > teacher.config.vocab_size:
        what = f"packed with {pieces} pieces, the model has {teacher.config.vocab_size} rows"
        raise LilmError(what, where=str(pack), remedy="run the pack stage again")
    texts = {
        language: open_sequences(pack, language, None, window, context.seed)
        for language in (context.language, context.base_language)
    }
    apart = {language: _apart(sequences, window, language, pack) for language, sequences in texts.items()}
    main, other = (Stretch(texts[language], 0, len(texts[language]) - count) for language, count in apart.items())
    kept = [batch for language, count in apart.items() for batch in _last(texts[language], count)]
    store = open_chats(source) if config.chats else None
    chats = None if store is None else PackedSequences(store, window, context.seed)
    student = Student(teacher, start, config.codes)
    stock = measured(student.get_base_model(), teacher, kept)
    context.reporter.say(f"  {config.quant} as it begins: {_spoken(stock)}")
    compiled = compiles(teacher, device, "auto")
    log.mkdir(parents=True, exist_ok=True)
    logbook = Logbook(f"learn {config.quant}", log, context.reporter)
    logbook.begin(1, 0)

    def engine(micro_batch_size: int) -> Engine:
        return DistilEngine(student, teacher, config, micro_batch_size)

    job = Job(
        f"learn {config.quant}",
        config,
        mixed(Blend(main, other, config.replay), chats, config.chats if chats else 0.0, config.batch_size),
        log.parent / "checkpoints" / log.name,
        config.dtype,
        config.checkpoint_every,
        config.eval_every,
        lambda: measured(student.get_base_model(), teacher, kept),
        compile=compiled,
        observe=logbook.see,
        engine=engine,
    )
    with compiled_layers(teacher, compiled and device.type == "cpu"):
        metrics, _ = train(student, job, context.reporter)
    logbook.end_stage(metrics)
    write_learnt(start, target, student.blocks())
    before, after = ({name: entry[name] for name in stock} for entry in (metrics[0], metrics[-1]))
    context.reporter.say(f"  learnt {config.quant}: {_spoken(after)}")
    tokens = config.steps * config.batch_size * window
    volatile = tuple(f"{log.name}/{name}" for name in logbook.end())
    return Learned(config.quant, config.steps, tokens, stock, before, after, tuple(student.kept), volatile)


def _apart(sequences: PackedSequences, window: int, language: str, pack: Path) -> int:
    """Returns how many sequences are kept for measuring. Raises LilmError when there are fewer than two."""
    if len(sequences) < 2:
        raise LilmError(
            f"the training text of {language} fills {len(sequences)} sequence of {window} tokens; learning blocks "
            "wants two or more, one of them to measure with",
            where=str(pack),
            remedy="give the corpus more text of that language, or lower sequence_length in export.learned",
        )
    return min(max(1, len(sequences) // KEPT_SHARE), -(-KEPT_TOKENS // window))


def _last(sequences: PackedSequences, count: int) -> list[Batch]:
    chosen = [sequences.sequence(index) for index in range(len(sequences) - count, len(sequences))]
    return [stack([one]) for one in chosen]


def _spoken(figures: Mapping[str, float]) -> str:
    return f"KLD {figures['kld']:.4f} nats, same top token {figures['same_top']:.1%}"
