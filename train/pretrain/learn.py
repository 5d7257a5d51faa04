"""The two stages of incremental pretraining, measured in both languages before, between and after."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import sentencepiece
import torch
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from lilm.artifact import Artifact
from lilm.devices import prepare_torch
from lilm.documents import read_texts
from lilm.hashing import sha256_file, write_json
from lilm.recipe import OptimConfig, PretrainConfig
from lilm.stage import Context
from lilm.train.base.model_folder import TOKENIZER, load_llama, save_llama
from lilm.train.corpus.packing import PackedSequences
from lilm.train.corpus.token_store import TokenStore
from lilm.train.pretrain.embeddings import extend_embeddings, freeze_old_rows
from lilm.train.pretrain.lora import merge_lora, with_lora
from lilm.train.trainer.batches import mixed
from lilm.train.trainer.curves import draw_curves, write_metrics
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.measure import bits_per_byte, take_bytes

TOKENIZER_FILES = (TOKENIZER, "tokenizer.json", "tokenizer_config.json")
Measure = Callable[[], dict[str, float]]


def pretrain(config: PretrainConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Embeddings of the new pieces first, then the whole model (or an adapter, merged at the end).

    Writes a Hugging Face folder, metrics.jsonl, report.json and curves.svg.
    """
    device = prepare_torch(context.seed, context.threads)
    languages = (context.language, context.base_language)
    heldout = {
        language: take_bytes(read_texts(inputs["corpus"], language, "heldout"), config.eval_bytes)
        for language in languages
    }
    model = load_llama(inputs["base"], device)
    base_tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(inputs["base"] / TOKENIZER))
    window = min(config.sequence_length, model.config.max_position_embeddings)

    def measure(encode: Callable[[str], list[int]]) -> dict[str, float]:
        bos = base_tokenizer.bos_id()
        return {
            f"bits_per_byte_{language}": bits_per_byte(model, encode, bos, texts, window)
            for language, texts in heldout.items()
        }

    before = measure(base_tokenizer.encode)
    context.reporter.say("  before: " + _spoken(before))

    tokenizer = Tokenizer.from_file(str(inputs["tokenizer"] / "tokenizer.json"))
    pieces = _pieces(inputs["tokenizer"] / TOKENIZER)
    extend_embeddings(model, base_tokenizer, pieces, config.init, context.seed)
    tokenizer.encode_special_tokens = True  # "</s>" written in a text is text
    merged = partial(measure, lambda text: tokenizer.encode(text, add_special_tokens=False).ids)

    digest = sha256_file(inputs["tokenizer"] / "tokenizer.json")
    main, replay = (
        PackedSequences(TokenStore.open(inputs["pack"], language, "train", digest), window, context.seed)
        for language in languages
    )
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})

    def job(label: str, stage: str, optim: OptimConfig, after_backward: Callable[[], None] | None = None) -> Job:
        return Job(
            label,
            optim,
            mixed(main, replay, config.replay, optim.batch_size),
            out_dir / "checkpoints" / stage,
            config.dtype,
            config.checkpoint_every,
            config.eval_every,
            merged,
            after_backward,
        )

    clear = freeze_old_rows(model, base_tokenizer.vocab_size())
    metrics1, _ = train(model, job("pretrain 1/2 new rows", "stage1", config.stage1, clear), context.reporter)

    model.requires_grad_(True)
    trained: torch.nn.Module = model if config.method == "full" else with_lora(model, config.lora)
    label = f"pretrain 2/2 {'all parameters' if config.method == 'full' else 'LoRA'}"
    metrics2, speed = train(trained, job(label, "stage2", config.stage2), context.reporter)
    if config.method == "lora":
        merge_lora(trained)
    after = merged()
    context.reporter.say("  after:  " + _spoken(after))

    _save(model, inputs["tokenizer"], out_dir)
    offset = metrics1[-1]["step"]
    metrics = [{"stage": 1, **entry} for entry in metrics1] + [
        {"stage": 2, **entry, "step": entry["step"] + offset} for entry in metrics2
    ]
    write_metrics(metrics, out_dir / "metrics.jsonl")
    draw_curves(metrics, out_dir / "curves.svg")
    report = {
        "before": before,
        "after": after,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "vocab_size": len(pieces),
        "tokens": {language: store.n_tokens for language, store in zip(languages, (main, replay), strict=True)},
        "packing_efficiency": {
            language: store.efficiency for language, store in zip(languages, (main, replay), strict=True)
        },
    }
    write_json(out_dir / "report.json", report)
    return Artifact({**report, "tokens_per_s": round(speed)})


def _spoken(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name.rpartition('_')[2]} {value:.3f} bits per byte" for name, value in figures.items())


def _pieces(path: Path) -> list[str]:
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [tokenizer.id_to_piece(index) for index in range(tokenizer.vocab_size())]


def _save(model: LlamaForCausalLM, tokenizer: Path, out_dir: Path) -> None:
    save_llama(model, out_dir)
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer / name, out_dir / name)
