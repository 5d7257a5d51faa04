"""Which rank? A short pilot of all parameters, the rank of what it changed, and what LoRA reaches in the same steps."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaForCausalLM

from lilm.commands import command
from lilm.devices import prepare_torch
from lilm.disk import write_atomic
from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.llama.shape import Shape
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import write_json
from lilm.progress import Reporter
from lilm.recipe import OptimConfig, Recipe
from lilm.train.base.model_folder import load_llama
from lilm.train.plan.flops import trained_parameters
from lilm.train.plan.memory import Setting, device_memory
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_distillation import Distillation
from lilm.train.pretrain.init_model import add_rows
from lilm.train.pretrain.inputs import heldout_texts, open_sequences, open_tokenizers
from lilm.train.pretrain.lora import merge_lora, with_lora
from lilm.train.pretrain.rank_answer import answer
from lilm.train.pretrain.rank_page import rank_page
from lilm.train.pretrain.spectrum import Change, changes
from lilm.train.pretrain.teaching import NOTHING_NEW, prepare_teaching
from lilm.train.trainer.batches import mixed
from lilm.train.trainer.checkpointing import recompute_activations
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.measure import bits_per_byte
from lilm.vocabulary.pieces import new_pieces

RANKS = (8, 16, 32, 64, 128, 256)
FACTOR = 3.0  # between learning rates that are tried
LOWER = 5  # of such steps, after which something else is wrong
NEEDS = ("base", "corpus", "tokenizer", "pack")
FOLDER = "rank"


@dataclass(frozen=True)
class Trial:
    """One way to train, from the same start, with the same sequences. rank 0: all parameters. bits: of UTF-8 bytes,
    bits_per_byte_LANGUAGE. memory: bytes on a device, estimated."""

    rank: int
    lr: float
    bits: dict[str, float]
    trained: int
    memory: float


def rank_report(
    run_dir: Path,
    recipe: Recipe,
    reporter: Reporter,
    steps: int = 100,
    ranks: Sequence[int] = RANKS,
) -> dict[str, Any]:
    """Write RUN/rank/rank.json and rank.html; returns what stands in the first.

    From the run's base with the merged vocabulary: stage 1 (at most `steps` steps of it), then `steps` steps of stage 2
    with all parameters, and as many with each rank of `ranks` that the model is wide enough for. All parameters learn
    at the recipe's rate or a lower one, each rank's adapters at their own: the best found in steps of FACTOR, since an
    unlucky rate says more than the rank (Biderman et al. 2024, "LoRA Learns Less and Forgets Less"). rsLoRA keeps the
    recipe's alpha at every rank, plain LoRA its ratio to the rank. Raises LilmError when a stage that is needed is not
    done.
    """
    inputs = {name: run_dir / name for name in NEEDS}
    for name, folder in inputs.items():
        if read_manifest(folder) is None:
            raise LilmError(
                f"stage {name} is not done",
                where=str(run_dir),
                remedy=f"run `{command('run', '--run', run_dir, '--to', 'pack')}`",
            )
    if steps < 1 or not ranks or min(ranks) < 1:
        raise LilmError(
            f"{steps} steps and the ranks {list(ranks)}", where="lilm pretrain rank", remedy="give 1 or more"
        )
    out_dir = run_dir / FOLDER
    out_dir.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir, prefix="work-") as work:
        pilot = _Pilot(inputs, recipe, reporter, steps, Path(work))
        begun = pilot.bits()
        full, found = _full_trial(pilot)
        usable = sorted(rank for rank in set(ranks) if rank <= pilot.model.config.hidden_size)
        trials = _lora_trials(pilot, usable, full.lr)
    report = {
        "steps": steps,
        "tokens": steps * pilot.optim.batch_size * pilot.window,
        "language": recipe.language,
        "base_language": recipe.base_language,
        "begun": begun,
        "full": asdict(full),
        "lora": [asdict(trial) for trial in trials],
        "changes": [asdict(change) for change in found],
        "settings": {
            "stage1_steps": pilot.stage1_steps,
            "stage2": pilot.optim.model_dump(mode="json"),
            "lora": recipe.pretrain.lora.model_dump(mode="json"),
            "sequence_length": pilot.window,
            "replay": recipe.pretrain.replay,
        },
    }
    report["answer"] = answer(report)
    write_json(out_dir / "rank.json", report)
    write_atomic(out_dir / "rank.html", rank_page(report))
    reporter.say(f"{report['answer']}\n{out_dir / 'rank.html'}")
    return report


def _full_trial(pilot: "_Pilot") -> tuple[Trial, list[Change]]:
    """All parameters, at the recipe's rate or the lower one that does better in so few steps; and what they changed."""
    best = pilot.full(pilot.optim.lr)
    while True:
        lower = pilot.full(best[0].lr / FACTOR)
        if lower[0].bits[pilot.measured] >= best[0].bits[pilot.measured]:
            return best
        best = lower


def _lora_trials(pilot: "_Pilot", ranks: list[int], matrix_lr: float) -> list[Trial]:
    """The best trial of each rank. A rank begins with the rate that did best before it; only the first tries higher
    ones, since more rank makes the same rate act more. matrix_lr: rate of the embeddings beside the adapter."""
    best: list[Trial] = []
    rate = matrix_lr
    for rank in ranks:
        rate, trial = _begun(pilot, rank, rate, matrix_lr)
        found = {rate: trial}
        for factor in (1 / FACTOR, FACTOR) if not best else (1 / FACTOR,):
            better = True
            while better:
                next_rate = min(1.0, rate * factor)
                try:
                    found[next_rate] = pilot.lora(rank, next_rate, matrix_lr)
                except LilmError as error:  # this rate was too high; the one before it stands
                    pilot.say(error.line())
                    break
                better = found[next_rate].bits[pilot.measured] < found[rate].bits[pilot.measured]
                rate = next_rate if better else rate
        best.append(found[rate])
    return best


def _begun(pilot: "_Pilot", rank: int, rate: float, matrix_lr: float) -> tuple[float, Trial]:
    """(rate, trial) with `rate` or, where the trial is lost with it, the first lower one with which it is not: what did
    best for less rank may be too much. Raises LilmError when `LOWER` lower ones are too much as well."""
    for _ in range(LOWER):
        try:
            return rate, pilot.lora(rank, rate, matrix_lr)
        except LilmError as error:
            pilot.say(error.line())
            rate /= FACTOR
    return rate, pilot.lora(rank, rate, matrix_lr)


class _Pilot:
    """The start that all trials share, and the trials."""

    def __init__(self, inputs: dict[str, Path], recipe: Recipe, reporter: Reporter, steps: int, work: Path) -> None:
        config = recipe.pretrain
        self._recipe, self._reporter, self._work = recipe, reporter, work
        device = prepare_torch(recipe.seed, recipe.threads)
        self.model: LlamaForCausalLM = load_llama(inputs["base"], device)
        self._tokenizers = open_tokenizers(inputs["base"], inputs["tokenizer"], self.model)
        self.window = min(config.sequence_length, self.model.config.max_position_embeddings)
        languages = (recipe.language, recipe.base_language)
        self._sequences = [
            open_sequences(inputs["pack"], language, self._tokenizers.sha256, self.window, recipe.seed)
            for language in languages
        ]
        self._heldout = heldout_texts(inputs["corpus"], languages, config.eval_bytes)
        texts = read_texts(inputs["corpus"], recipe.language, "train")
        base, pieces, distillation = self._tokenizers.base, self._tokenizers.pieces, Distillation.of(config)
        add_rows(self.model, base, pieces, config.init, recipe.seed, texts, reporter, distillation)
        new = new_pieces(self._tokenizers.base, self._tokenizers.pieces)
        self._teaching = NOTHING_NEW
        if new:
            n_old = len(self._tokenizers.base)
            self._teaching = prepare_teaching(self.model, self._sequences[0], n_old, config.bigrams)
        if config.gradient_checkpointing:
            recompute_activations(self.model)
        # with LoRA the recipe's rate is the adapter's, and that of whole matrices a part of it
        scale = config.lora.embedding_lr_scale if config.method == "lora" else 1.0
        self.optim = config.stage2.model_copy(update={"steps": steps, "lr": config.stage2.lr * scale})
        self.stage1_steps = min(config.stage1.steps, steps) if new else 0
        self.measured = f"bits_per_byte_{recipe.language}"
        if self.stage1_steps:
            self.model.requires_grad_(False)
            for matrix in both_matrices(self.model):
                matrix.requires_grad_(True)
            stage1 = config.stage1.model_copy(update={"steps": self.stage1_steps})
            self._train(self.model, "new rows", stage1, stage=1, level=self._teaching.level)
        self._start = {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}

    def say(self, text: str) -> None:
        self._reporter.say(f"    {text}")

    def bits(self) -> dict[str, float]:
        bos = self._tokenizers.base.bos_id
        measure = partial(bits_per_byte, self.model.eval(), self._tokenizers.encode, bos)
        return {f"bits_per_byte_{name}": measure(texts, self.window) for name, texts in self._heldout.items()}

    def full(self, lr: float) -> tuple[Trial, list[Change]]:
        self._reset()
        optim = self.optim.model_copy(update={"lr": lr})
        scale = self._recipe.pretrain.embedding_lr_scale
        self._train(self.model, f"all parameters, lr {lr:g}", optim, embedding_lr_scale=scale)
        return self._trial(0, lr), changes(self.model, self._start)

    def lora(self, rank: int, lr: float, matrix_lr: float) -> Trial:
        self._reset()
        lora = self._recipe.pretrain.lora
        alpha = lora.alpha if lora.use_rslora else max(1, round(lora.alpha * rank / lora.rank))
        wrapped = with_lora(self.model, lora.model_copy(update={"rank": rank, "alpha": alpha}))
        optim = self.optim.model_copy(update={"lr": lr})
        try:
            self._train(wrapped, f"LoRA r={rank}, lr {lr:g}", optim, embedding_lr_scale=matrix_lr / lr)
        except LilmError:
            wrapped.unload()  # type: ignore[operator]
            raise
        merge_lora(wrapped)
        return self._trial(rank, lr)

    def _reset(self) -> None:
        self.model.load_state_dict(self._start)
        self.model.requires_grad_(True)

    def _train(self, model: torch.nn.Module, label: str, optim: OptimConfig, stage: int = 2, **options: Any) -> None:
        """Trains as the recipe's `stage` does. options: of Job."""
        torch.manual_seed(self._recipe.seed)
        config = self._recipe.pretrain
        batches = mixed(self._sequences[0], self._sequences[1], config.replay_in(stage), optim.batch_size)
        job = Job(
            label,
            optim,
            self._teaching.batches(batches, stage, optim.steps),
            self._work / label.replace(" ", "-"),
            config.dtype,
            checkpoint_every=optim.steps + 1,
            kept_rows=config.kept_rows(stage, len(self._tokenizers.base)),
            kept_layers=config.kept_layers(stage),
            **options,
        )
        train(model, job, self._reporter)

    def _trial(self, rank: int, lr: float) -> Trial:
        config = self._recipe.pretrain
        shape = Shape.of(self.model.config.to_dict())
        lora = config.lora.model_copy(update={"rank": rank or config.lora.rank})
        setting = Setting(
            method="lora" if rank else "full",
            lora=lora,
            window=self.window,
            micro_batch=self.optim.micro_batch_size or self.optim.batch_size,
            checkpointing=config.gradient_checkpointing,
            bfloat16=config.dtype == "bfloat16",
            zero=0,
            count=1,
        )
        bits = self.bits()
        self.say(", ".join(f"{name.rpartition('_')[2]} {value:.3f}" for name, value in bits.items()))
        trained = trained_parameters(shape, setting.method, lora)
        return Trial(rank, lr, bits, trained, device_memory(shape, setting).total)
