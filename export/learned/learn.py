"""Gives a quantised file blocks that say what the full model says: rounded for that, learnt, written as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.devices import prepare_torch
from lilm.errors import LilmError
from lilm.export.full_model import load_full
from lilm.export.learned.begin import begin
from lilm.export.learned.engine import DistilEngine, narrow
from lilm.export.learned.kept import KeptText
from lilm.export.learned.kinds import KINDS
from lilm.export.learned.rounding import rounded
from lilm.export.learned.start import StartFile
from lilm.export.learned.student import Student
from lilm.export.learned.texts import Texts, open_texts
from lilm.export.learned.write import write_learnt
from lilm.llama.config import read_llama_config
from lilm.llama.shape import Shape
from lilm.pipeline.stage import Context
from lilm.recipe import LearnedConfig
from lilm.train.trainer.attention import SDPA
from lilm.train.trainer.best import KeepBest
from lilm.train.trainer.compiled import compiled_layers, compiles
from lilm.train.trainer.engine import Engine
from lilm.train.trainer.logbook import Logbook
from lilm.train.trainer.loop import Job, train

Figures = dict[str, float]
BEST = KeepBest("kld", 0)  # which weights the file gets: those of the measurement nearest to the full model


@dataclass(frozen=True)
class Learned:
    """best: the step whose blocks the file has, the nearest that were measured. tokens: that were read, in sequences
    with room for them; rounding_tokens: those that the codes were first chosen on. stock, before, after: `kld`, nats
    per token, of each language too, and `same_top`, of the text kept apart: of llama.cpp's file, of the blocks learning
    began with, and of those in the file. kept: matrices whose type is not learnt. volatile: what of
    the log differs from run to run. blocks_exact: share of the blocks that the file, read again, has as learnt."""

    quant: str
    steps: int
    best: int
    tokens: int
    rounding_tokens: int
    stock: Figures
    before: Figures
    after: Figures
    kept: tuple[str, ...]
    volatile: tuple[str, ...]
    blocks_exact: float

    @property
    def note(self) -> str:
        """How the file came to be, for its readers."""
        ways = [f"rounded so that errors cancel out on {self.rounding_tokens:,} tokens"] * bool(self.rounding_tokens)
        ways += [f"learnt in {self.steps:,} steps of {self.tokens:,} tokens together"] * bool(self.steps)
        left = ""
        if self.best < self.steps and self.best:
            left = f"; those of step {self.best:,}, later ones were farther"
        elif self.best < self.steps:
            left = "; learning made it worse, so these are from before it: lr and scale_lr are too high"
        left += f"; {len(self.kept)} matrices are of types that are not learnt" if self.kept else ""
        return (
            f"blocks {', then '.join(ways)}, from the F16 file; KLD on text "
            f"kept apart {self.stock['kld']:.4f} → {self.after['kld']:.4f}, same top token "
            f"{self.stock['same_top']:.1%} → {self.after['same_top']:.1%}{left}"
        )

    def report(self) -> dict[str, Any]:
        figures = {"stock": self.stock, "before": self.before, "after": self.after}
        tokens = {"tokens": self.tokens, "rounding_tokens": self.rounding_tokens}
        return {
            "steps": self.steps,
            "best": self.best,
            **tokens,
            **figures,
            "kept": list(self.kept),
            "blocks_exact": self.blocks_exact,
        }


def learn(
    config: LearnedConfig, source: Path, pack: Path, start: Path, target: Path, log: Path, context: Context
) -> Learned:
    """Write `target`: `start`, llama.cpp's file of the model in the folder `source`, with its blocks learnt from the
    training text in `pack`. Types and metadata are those of `start`. log: a folder for the curves.

    Checkpoints go beside the log, so that a killed run goes on. The bytes depend on the inputs, the seed and the number
    of threads. The file gets the blocks of the best of the measurements, taken every `eval_every` steps.
    Raises LilmError for text that is too little or another model's, for a file of other types than are
    learnt, and when learning diverges.
    """
    shape = Shape.of(read_llama_config(source))
    texts = open_texts(config, source, pack, shape, context)
    file = StartFile(start, shape)
    _check_types(file, config)
    device = prepare_torch(context.seed, context.threads, trains=config.steps > 0)
    teacher = load_full(source, device)
    teacher.set_attn_implementation(SDPA)
    kept = KeptText(teacher, texts.kept, context.reporter)
    if not config.steps:
        return _only_rounded(config, file, teacher, kept, texts, source, target, context)
    student = Student(teacher, file, config.codes)
    stock = kept.measured(student.get_base_model())
    context.reporter.say(f"  llama.cpp's {config.quant}: {_spoken(stock)}")
    bfloat16 = config.dtype == "bfloat16"
    first = texts.first(config.rounding_tokens) if file.learns(of_layers=True) else []
    if first:
        with context.reporter.bar(f"round {config.quant}", shape.layers) as bar:
            begin(student.get_base_model(), student.to_round(teacher), first, bfloat16, context.threads, bar.advance)
    if bfloat16:
        narrow(teacher)
    compiled = compiles(teacher, device, "auto")
    log.mkdir(parents=True, exist_ok=True)
    logbook = Logbook(f"learn {config.quant}", log, context.reporter)
    logbook.begin(1, 0)

    def engine(micro_batch_size: int) -> Engine:
        return DistilEngine(student, teacher, config, micro_batch_size)

    job = Job(
        f"learn {config.quant}",
        config,
        texts.batches(config),
        log.parent / "checkpoints" / log.name,
        config.dtype,
        config.checkpoint_every,
        config.eval_every,
        lambda: kept.measured(student.get_base_model()),
        compile=compiled,
        observe=logbook.see,
        engine=engine,
        keep_best=BEST,
    )
    with compiled_layers(teacher, compiled and device.type == "cpu"):
        metrics, _ = train(student, job, context.reporter)
    student.refresh()  # the best weights may not be the last
    logbook.end_stage(metrics)
    exact = write_learnt(start, target, student.blocks())
    best = BEST.entry(metrics)
    before, after = ({name: entry[name] for name in stock} for entry in (metrics[0], best))
    context.reporter.say(f"  learnt {config.quant}: {_spoken(after)}")
    tokens = (config.steps * config.batch_size * texts.window, len(first) * texts.window)
    volatile = tuple(f"{log.name}/{name}" for name in logbook.end())
    return Learned(
        config.quant, config.steps, best["step"], *tokens, stock, before, after, tuple(student.kept), volatile, exact
    )


def _check_types(file: StartFile, config: LearnedConfig) -> None:
    """Raises LilmError when nothing of the file would be another. Embedding and output are not rounded."""
    if not file.learns(of_layers=not config.steps):
        raise LilmError(
            f"no matrix {'' if config.steps else 'of its layers '}has a type whose blocks are learnt",
            where=str(file.path),
            remedy=f"take it out of export.learned, or make it of {', '.join(KINDS)} (export.mix_types)",
        )


def _only_rounded(
    config: LearnedConfig,
    file: StartFile,
    model: Any,
    kept: KeptText,
    texts: Texts,
    source: Path,
    target: Path,
    context: Context,
) -> Learned:
    """model: the full one, which is used up, so that no second one is in memory."""
    file.give(model)
    stock = kept.measured(model)
    context.reporter.say(f"  llama.cpp's {config.quant}: {_spoken(stock)}")
    first = texts.first(config.rounding_tokens)
    with context.reporter.bar(f"round {config.quant}", len(model.model.layers)) as bar:
        blocks = rounded(model, file, source, first, config.dtype == "bfloat16", context.threads, bar.advance)
    exact = write_learnt(file.path, target, blocks)
    after = kept.measured(model)
    context.reporter.say(f"  rounded {config.quant}: {_spoken(after)}")
    left = tuple(one.target for one in file.entries if len(one.shape) > 1 and file.kind(one) is None)
    return Learned(config.quant, 0, 0, 0, len(first) * texts.window, stock, stock, after, left, (), exact)


def _spoken(figures: Mapping[str, float]) -> str:
    each = ", ".join(f"{name[4:]} {value:.4f}" for name, value in figures.items() if name.startswith("kld_"))
    return f"KLD {figures['kld']:.4f} nats ({each}), same top token {figures['same_top']:.1%}"
