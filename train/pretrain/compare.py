"""Which start of the new rows is best on the user's own text: each is trained for a few steps, on the same tokens."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from transformers import LlamaForCausalLM

from lilm.commands import command
from lilm.devices import prepare_torch
from lilm.disk import write_atomic
from lilm.documents import read_texts
from lilm.errors import LilmError
from lilm.llama.config import read_llama_config
from lilm.pipeline.artifact import read_manifest
from lilm.pipeline.hashing import write_json
from lilm.progress import Reporter
from lilm.recipe import OptimConfig, Recipe
from lilm.temporary import temporary_folder
from lilm.train.base.model_folder import load_llama
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_distillation import Distillation
from lilm.train.pretrain.init_model import Init, add_rows
from lilm.train.pretrain.inputs import Tokenizers, heldout_texts, open_sequences, open_tokenizers
from lilm.train.pretrain.teaching import NOTHING_NEW, Teaching, prepare_teaching
from lilm.train.trainer.batches import BatchAt, mixed
from lilm.train.trainer.loop import Job, Metrics, train
from lilm.train.trainer.measure import bits_per_byte
from lilm.vocabulary.pieces import new_pieces

NEEDED = ("corpus", "base", "tokenizer", "pack")
TRAINED = {"new_rows": "new rows only", "all": "all parameters"}
STAGE = {"new_rows": 1, "all": 2}  # of pretraining, which trains so
POINTS = 8  # measurements after the first


@dataclass(frozen=True)
class _Trial:
    """What every trial has the same of."""

    recipe: Recipe
    steps: int
    tokenizers: Tokenizers
    batches: Mapping[str, BatchAt]
    heldout: Mapping[str, list[str]]
    window: int
    reporter: Reporter


def compare_init(
    run_dir: Path,
    recipe: Recipe,
    steps: int,
    reporter: Reporter,
    out_dir: Path | None = None,
    inits: Sequence[Init] = get_args(Init),
    distillation: Distillation | None = None,
) -> dict[str, Any]:
    """Train the base from each of `inits` for `steps` steps, once its new rows only and once all of it.

    run_dir: a run whose stages corpus, base, tokenizer and pack are done; nothing in these is changed. Rates, batches,
    replay, rows that keep their bits and what is taught beside the text are those of `recipe.pretrain` (stage 1 for the
    new rows, stage 2 for all), warmed up and decayed over `steps`; so is
    `distillation`, where none is given. Writes compare-init.html and compare-init.json to
    `out_dir` (default: RUN/reports) and returns what the latter holds: steps, tokens, languages, and trials {init,
    trained, seconds, curve [{step, bits_per_byte_LANG}], loss [nats per token of each step], and what distillation
    measured}. Raises LilmError when a stage is not done.
    """
    from lilm.train.tokenizer.report.compare_page import compare_page

    require_done(run_dir, NEEDED)
    if steps < 1:
        raise LilmError(f"{steps} steps", where="--steps", remedy="give 1 or more")
    trials = list(_trials(run_dir, recipe, steps, reporter, inits, distillation or Distillation.of(recipe.pretrain)))
    config, window = recipe.pretrain, window_of(run_dir, recipe)
    found = {
        "steps": steps,
        "languages": [recipe.language, recipe.base_language],
        "tokens": {
            "new_rows": steps * config.stage1.batch_size * window,
            "all": steps * config.stage2.batch_size * window,
        },
        "trials": trials,
    }
    out_dir = out_dir or run_dir / "reports"
    out_dir.mkdir(parents=True, exist_ok=True)
    write_json(out_dir / "compare-init.json", found)
    write_atomic(out_dir / "compare-init.html", compare_page(found))
    return found


def require_done(run_dir: Path, stages: Sequence[str]) -> None:
    """Raises LilmError, with the command that does it, when one of `stages` is not."""
    missing = [name for name in stages if read_manifest(run_dir / name) is None]
    if missing:
        raise LilmError(
            f"stage {missing[0]} is not done",
            where=str(run_dir),
            remedy=f"run `{command('run', '--run', run_dir, '--to', stages[-1])}`",
        )


def window_of(run_dir: Path, recipe: Recipe) -> int:
    """Tokens of a training sequence: the recipe's, or as many as the base has positions."""
    return min(recipe.pretrain.sequence_length, int(read_llama_config(run_dir / "base")["max_position_embeddings"]))


def _trials(
    run_dir: Path,
    recipe: Recipe,
    steps: int,
    reporter: Reporter,
    inits: Sequence[Init],
    distillation: Distillation,
) -> Iterator[dict[str, Any]]:
    device = prepare_torch(recipe.seed, recipe.threads)
    languages = (recipe.language, recipe.base_language)
    tokenizers = open_tokenizers(run_dir / "base", run_dir / "tokenizer", load_llama(run_dir / "base", device))
    window = window_of(run_dir, recipe)
    main, replay = (
        open_sequences(run_dir / "pack", language, tokenizers.sha256, window, recipe.seed) for language in languages
    )
    heldout = heldout_texts(run_dir / "corpus", languages, recipe.pretrain.eval_bytes)
    batches = {
        trained: mixed(
            main,
            replay,
            recipe.pretrain.replay_in(STAGE[trained]),
            _optim(recipe, trained).batch_size,
        )
        for trained in TRAINED
    }
    trial = _Trial(recipe, steps, tokenizers, batches, heldout, window, reporter)
    for init in inits:
        prepare_torch(recipe.seed, recipe.threads)
        model = load_llama(run_dir / "base", device)
        started = time.monotonic()
        texts = read_texts(run_dir / "corpus", recipe.language, "train")
        began = add_rows(model, tokenizers.base, tokenizers.pieces, init, recipe.seed, texts, reporter, distillation)
        began["seconds"] = round(time.monotonic() - started, 2)
        is_new = bool(new_pieces(tokenizers.base, tokenizers.pieces))
        weight = recipe.pretrain.bigrams
        teaching = prepare_teaching(model, main, len(tokenizers.base), weight) if is_new else NOTHING_NEW
        start = {name: value.clone() for name, value in model.state_dict().items()}
        for trained in TRAINED:
            model.load_state_dict(start)
            metrics = _train(trial, model, f"{init}, {TRAINED[trained]}", trained, teaching)
            yield {**began, "trained": trained, **_curves(metrics)}


def _optim(recipe: Recipe, trained: str) -> OptimConfig:
    return recipe.pretrain.stage1 if trained == "new_rows" else recipe.pretrain.stage2


def _train(trial: _Trial, model: LlamaForCausalLM, label: str, trained: str, teaching: Teaching) -> Metrics:
    recipe, tokenizers, stage = trial.recipe, trial.tokenizers, STAGE[trained]
    bos_id, n_old = tokenizers.base.bos_id, len(tokenizers.base)
    model.requires_grad_(trained == "all")
    for matrix in both_matrices(model):
        matrix.requires_grad_(True)

    def measure() -> dict[str, float]:
        return {
            f"bits_per_byte_{language}": bits_per_byte(model, tokenizers.encode, bos_id, found, trial.window)
            for language, found in trial.heldout.items()
        }

    with temporary_folder("compare") as folder:
        job = Job(
            label,
            _optim(recipe, trained).model_copy(update={"steps": trial.steps}),
            teaching.batches(trial.batches[trained], stage, trial.steps),
            folder,
            recipe.pretrain.dtype,
            checkpoint_every=0,
            eval_every=max(1, trial.steps // POINTS),
            measure=measure,
            kept_rows=recipe.pretrain.kept_rows(stage, n_old),
            kept_layers=recipe.pretrain.kept_layers(stage),
            level=teaching.level if stage == 1 else None,
            embedding_lr_scale=1.0 if stage == 1 else recipe.pretrain.embedding_lr_scale,
        )
        metrics, _ = train(model, job, trial.reporter)
    return metrics


def _curves(metrics: Metrics) -> dict[str, Any]:
    def bits(entry: dict[str, Any]) -> dict[str, float]:
        return {key: round(value, 5) for key, value in entry.items() if key.startswith("bits_per_byte_")}

    return {
        "curve": [{"step": entry["step"], **bits(entry)} for entry in metrics if bits(entry)],
        "loss": [round(entry["loss"], 5) for entry in metrics if "loss" in entry],
    }
