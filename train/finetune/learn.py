"""Full fine-tuning on chats, in the format that every other part uses."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from lilm.chat import CHAT_TEMPLATE
from lilm.chat.files import read_format
from lilm.devices import prepare_torch
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.pipeline.stage import Context
from lilm.recipe import FinetuneConfig
from lilm.train.base.model_folder import TOKENIZER, load_llama, save_llama
from lilm.train.finetune.cutting import cut_chats
from lilm.train.finetune.format import Format, chat_vocabulary, choose_format
from lilm.train.finetune.gather import gather_chats
from lilm.train.finetune.masking import ChatSequences
from lilm.train.finetune.store import write_chats
from lilm.train.pack.packing import PackedSequences
from lilm.train.pack.token_store import TokenStore
from lilm.train.trainer.batches import Interleaved, mixed
from lilm.train.trainer.compiled import compiles
from lilm.train.trainer.logbook import Logbook
from lilm.train.trainer.loop import Job, train
from lilm.vocabulary.pieces import open_pieces


def finetune(config: FinetuneConfig, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
    """Writes a Hugging Face folder whose tokenizer carries the chat template, and metrics.jsonl, report.json,
    report.html and the chats as a token store.

    inputs: the folders of the stages pretrain and pack, and of base where its rows are kept.
    """
    pretrained, pack = inputs["pretrain"], inputs["pack"]
    device = prepare_torch(context.seed, context.threads)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(pretrained)
    model = load_llama(pretrained, device)
    # a copy of the tokenizer itself: no warning about long chats, which are cut
    vocabulary = chat_vocabulary(tokenizer.backend_tokenizer)
    chosen = choose_format(config, read_format(pretrained), str(pretrained))
    context.reporter.say(f"  {_described(chosen)}")
    report: dict[str, object] = {"chats": 0}
    volatile: tuple[str, ...] = ()
    speed = 0.0
    if config.sources:
        gathered = gather_chats(config, chosen.turns, context)
        window = min(config.sequence_length, model.config.max_position_embeddings)
        cut = cut_chats(gathered.chats, chosen.turns, vocabulary, window)
        for line in cut.told(window):
            context.reporter.say(f"  {line}")
        tokenised = [part.tokens for part in cut.parts]
        sequences = ChatSequences(tokenised, window, context.seed)
        digest = sha256_file(pretrained / "tokenizer.json")
        replayed = Interleaved(
            tuple(
                PackedSequences(TokenStore.open(pack, language, "train", digest), window, context.seed)
                for language in (context.language, context.base_language)
            )
        )
        logbook = Logbook("finetune", out_dir, context.reporter)
        logbook.begin(1, 0)
        job = Job(
            "finetune",
            config.optim,
            mixed(sequences, replayed, config.replay, config.optim.batch_size),
            out_dir / "checkpoints",
            dtype=config.dtype,
            checkpoint_every=config.checkpoint_every,
            compile=device.type == "cpu" and compiles(model, device, "auto"),
            kept_rows=len(open_pieces(inputs["base"])) if config.keep_base_rows else 0,
            observe=logbook.see,
        )
        metrics, speed = train(model, job, context.reporter)
        report = {
            "chats": len(gathered.chats),
            **cut.figures(),
            **gathered.report,
            "epochs": config.optim.steps * config.optim.batch_size * (1 - config.replay) / len(sequences),
            "first_loss": metrics[0]["loss"],
            "final_loss": metrics[-1]["loss"],
        }
        logbook.end_stage(metrics)
        volatile = logbook.end()
        end = vocabulary.control[chosen.end_token]
        write_chats(tokenised, out_dir, tokenizer.backend_tokenizer.get_vocab_size(), digest, vocabulary.bos_id, end)
    end_turns_with(model, vocabulary.control[chosen.end_token])
    save_llama(model, out_dir)
    tokenizer.chat_template, tokenizer.eos_token = chosen.template, chosen.end_token
    tokenizer.save_pretrained(out_dir)
    if (pretrained / TOKENIZER).is_file():  # a byte-level BPE has none
        shutil.copyfile(pretrained / TOKENIZER, out_dir / TOKENIZER)  # save_pretrained writes none
    write_json(out_dir / "report.json", report)
    return Artifact({**report, "tokens_per_s": round(speed)}, volatile)


def end_turns_with(model: Any, token: int) -> None:
    """Let generation stop at this token, and at what it stopped at before."""
    before = model.generation_config.eos_token_id
    others = before if isinstance(before, list) else [before]
    others = [other for other in others if other not in (None, token)]
    model.config.eos_token_id = token
    model.generation_config.eos_token_id = [token, *others] if others else token


def _described(chosen: Format) -> str:
    whose = "LiLM's plain chat format" if chosen.template == CHAT_TEMPLATE else "the base's own chat format"
    return f"{whose}; turns end with {chosen.end_token}"
