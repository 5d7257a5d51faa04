"""The two stages of incremental pretraining, measured in both languages before, between and after."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.documents import read_texts
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.recipe import OptimConfig, PretrainConfig
from lilm.train.base.model_folder import TOKENIZER, load_llama, save_llama
from lilm.train.pretrain.adapter import Vocabulary, check_belongs, has_embeddings, load_adapter, save_adapter
from lilm.train.pretrain.embeddings import both_matrices
from lilm.train.pretrain.init_distillation import Distillation
from lilm.train.pretrain.init_model import add_rows
from lilm.train.pretrain.inputs import heldout_texts, open_sequences, open_tokenizers
from lilm.train.pretrain.lora import merge_lora, with_lora
from lilm.train.pretrain.often import said_of_often
from lilm.train.pretrain.special_tokens import settle_special_tokens
from lilm.train.pretrain.teaching import NOTHING_NEW, prepare_teaching
from lilm.train.tokenizer.report.choice import run_choice
from lilm.train.trainer.attention import choose_attention
from lilm.train.trainer.batches import mixed
from lilm.train.trainer.checkpointing import recompute_activations
from lilm.train.trainer.compiled import compiles
from lilm.train.trainer.heldout import BITS, HeldOut
from lilm.train.trainer.logbook import Logbook
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.optimizer import require_layers
from lilm.train.trainer.rank import current_rank
from lilm.vocabulary.pieces import new_pieces

TOKENIZER_FILES = (TOKENIZER, "tokenizer.json", "tokenizer_config.json")


def pretrain(config: PretrainConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Embeddings of the new pieces first, then the whole model (or an adapter, merged at the end).

    Writes a Hugging Face folder, metrics.jsonl, report.json, report.html, and the adapter if there is one.
    Raises LilmError for inputs that do not belong together.
    """
    choice = run_choice(inputs["tokenizer"].parent)
    device = prepare_torch(context.seed, context.threads)
    languages = (context.language, context.base_language)
    model = load_llama(inputs["base"], device)
    require_layers(model, config.keep_layers, "pretrain")
    tokenizers = open_tokenizers(inputs["base"], inputs["tokenizer"], model)
    vocabulary = Vocabulary(tokenizers.vocab_size, tokenizers.sha256, config.init)
    if config.lora.path:
        check_belongs(model, config.lora, vocabulary)
    window = min(config.sequence_length, model.config.max_position_embeddings)
    if window < config.sequence_length:
        context.reporter.say(f"  windows of {window:,} tokens: the base has no longer context")
    main, replay = (
        open_sequences(inputs["pack"], language, tokenizers.sha256, window, context.seed) for language in languages
    )
    if often := said_of_often(config, main.n_tokens, window):
        context.reporter.say(f"  warning: {main.n_tokens:,} tokens of {context.language}: {often}")
    heldout = HeldOut(
        heldout_texts(inputs["corpus"], languages, config.eval_bytes),
        window,
        tokenizers.base.bos_id,
        tokenizers.base.eos_id,
        config.samples,
        config.sample_tokens,
        context.reporter,
    )
    new = new_pieces(tokenizers.base, tokenizers.pieces)
    measured = None
    if not new and tokenizers.vocab_size == model.config.vocab_size:  # stage 2 begins with the very same model
        measured = heldout.measure(model, tokenizers.encode, tokenizers.decode)
    before = _bits(measured or heldout.bits(model, tokenizers.base.encode))
    context.reporter.say("  before: " + _spoken(before))

    started = time.monotonic()
    began = add_rows(
        model,
        tokenizers.base,
        tokenizers.pieces,
        config.init,
        context.seed,
        read_texts(inputs["corpus"], context.language, "train"),
        context.reporter,
        Distillation.of(config),
    )
    settle_special_tokens(model, inputs["tokenizer"], tokenizers.pieces)
    n_old = len(tokenizers.base)
    teaching = prepare_teaching(model, main, n_old, config.bigrams) if new else NOTHING_NEW
    prepared = time.monotonic() - started
    if config.gradient_checkpointing:
        recompute_activations(model)
    flat = choose_attention(model, device, config.dtype)
    compiled = compiles(model, device, config.compile)
    logbook = Logbook("pretrain", out_dir, context.reporter, choice)

    def job(
        label: str,
        number: int,
        optim: OptimConfig,
        measured: dict[str, Any] | None = None,
    ) -> Job:
        return Job(
            label,
            optim,
            teaching.batches(mixed(main, replay, config.replay_in(number), optim.batch_size), number, optim.steps),
            out_dir / "checkpoints" / f"stage{number}",
            config.dtype,
            config.checkpoint_every,
            config.eval_every,
            lambda: heldout.measure(model, tokenizers.encode, tokenizers.decode),
            measured,
            # stage 1 keeps little for the rows alone; to hold its steps level, a process needs them whole
            zero=config.distributed.zero if number == 2 else 0,
            compile=compiled,
            flat_attention=flat,
            kept_rows=config.kept_rows(number, n_old),
            kept_layers=config.kept_layers(number),
            level=teaching.level if number == 1 else None,
            embedding_lr_scale=config.vocabulary_lr_scale(number),
            tokenizer_sha256=tokenizers.sha256,
            observe=logbook.see,
        )

    done, speed1 = 0, 0.0
    if new:
        model.requires_grad_(False)
        for matrix in both_matrices(model):
            matrix.requires_grad_(True)
        logbook.begin(1, 0)
        stage1 = job("pretrain 1/2 new rows", 1, config.stage1)
        metrics, speed1 = train(model, stage1, context.reporter)
        logbook.end_stage(metrics)
        done, measured = metrics[-1]["step"], _measured(metrics[-1])
    elif config.stage1.steps:
        context.reporter.say("  stage 1 is left out: there are no new pieces to learn")

    logbook.begin(2, done)
    model.requires_grad_(True)
    if config.method == "full":
        stage2 = job("pretrain 2/2 all parameters", 2, config.stage2, measured)
        metrics, speed = train(model, stage2, context.reporter)
    else:
        lora = config.lora
        trained = load_adapter(model, lora) if lora.path else with_lora(model, lora)
        measured = None if lora.path else measured  # an adapter of an earlier run says something else
        stage2 = job("pretrain 2/2 LoRA", 2, config.stage2, measured)
        metrics, speed = train(trained, stage2, context.reporter)
        if current_rank().rank == 0:
            rows_learnt = done > 0 or (bool(lora.path) and has_embeddings(lora))
            save_adapter(trained, out_dir / "adapter", lora, vocabulary, rows_learnt)
        merge_lora(trained)
    logbook.end_stage(metrics)
    after = _bits(metrics[-1]) if config.method == "full" else heldout.bits(model, tokenizers.encode)
    context.reporter.say("  after:  " + _spoken(after))
    if current_rank().rank:
        return Artifact()  # the first process writes what all have

    _save(model, inputs["tokenizer"], out_dir)
    report = {
        "before": before,
        "after": after,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocab_size": tokenizers.vocab_size,
        **began,
        "tokens": {language: store.n_tokens for language, store in zip(languages, (main, replay), strict=True)},
        "packing_efficiency": {
            language: store.efficiency for language, store in zip(languages, (main, replay), strict=True)
        },
    }
    write_json(out_dir / "report.json", report)
    figures = {
        "tokens_per_s": round(speed),
        "tokens_per_s_stage1": round(speed1),
        "prepare_seconds": round(prepared, 1),
        "mfu": logbook.mfu,
    }
    return Artifact({**report, **figures}, logbook.end())


def _bits(found: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in found.items() if name.startswith(BITS)}


def _measured(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What was measured at a step."""
    return {name: value for name, value in entry.items() if name.startswith(BITS) or name == "samples"}


def _spoken(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name.rpartition('_')[2]} {value:.3f} bits per byte" for name, value in figures.items())


def _save(model: LlamaForCausalLM, tokenizer: Path, out_dir: Path) -> None:
    save_llama(model, out_dir)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():  # a byte-level BPE has no tokenizer.model
            shutil.copyfile(tokenizer / name, out_dir / name)
