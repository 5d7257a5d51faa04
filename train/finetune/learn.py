"""Full fine-tuning on chats, with the template that every other part uses."""

import shutil
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from lilm.artifact import Artifact
from lilm.chat import CHAT_TEMPLATE
from lilm.devices import prepare_torch
from lilm.hashing import sha256_file, write_json
from lilm.recipe import FinetuneConfig
from lilm.stage import Context
from lilm.train.base.model_folder import TOKENIZER, load_llama, save_llama
from lilm.train.corpus.packing import PackedSequences
from lilm.train.corpus.token_store import TokenStore
from lilm.train.finetune.masking import ChatSequences, tokenise_chat
from lilm.train.finetune.sources import read_chats
from lilm.train.trainer.batches import Interleaved, mixed
from lilm.train.trainer.curves import draw_curves, write_metrics
from lilm.train.trainer.loop import Job, Metrics, train


def finetune(config: FinetuneConfig, pretrained: Path, pack: Path, out_dir: Path, context: Context) -> Artifact:
    """Writes a Hugging Face folder whose tokenizer carries the chat template, and the report."""
    device = prepare_torch(context.seed, context.threads)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(pretrained)
    model = load_llama(pretrained, device)
    report: dict[str, object] = {"chats": 0}
    metrics: Metrics = []
    speed = 0.0
    if config.sources:
        chats = [chat for source in config.sources for chat in read_chats(source, context.language, context.seed)]
        window = min(config.sequence_length, model.config.max_position_embeddings)
        fast = tokenizer.backend_tokenizer  # no warning about long chats: they are counted and left out
        eos = str(tokenizer.eos_token)
        tokenised = [tokenise_chat(chat, lambda text: fast.encode(text).ids, eos) for chat in chats]
        sequences = ChatSequences(tokenised, window, context.seed)
        digest = sha256_file(pretrained / "tokenizer.json")
        replayed = Interleaved(
            tuple(
                PackedSequences(TokenStore.open(pack, language, "train", digest), window, context.seed)
                for language in (context.language, context.base_language)
            )
        )
        job = Job(
            "finetune",
            config.optim,
            mixed(sequences, replayed, config.replay, config.optim.batch_size),
            out_dir / "checkpoints",
            dtype=config.dtype,
            checkpoint_every=config.checkpoint_every,
        )
        metrics, speed = train(model, job, context.reporter)
        report = {
            "chats": len(chats),
            "too_long": sequences.dropped,
            "epochs": config.optim.steps * config.optim.batch_size * (1 - config.replay) / len(sequences),
            "first_loss": metrics[0]["loss"],
            "final_loss": metrics[-1]["loss"],
        }
        write_metrics(metrics, out_dir / "metrics.jsonl")
        draw_curves(metrics, out_dir / "curves.svg")
    save_llama(model, out_dir)
    tokenizer.chat_template = CHAT_TEMPLATE
    tokenizer.save_pretrained(out_dir)
    if (pretrained / TOKENIZER).is_file():  # a byte-level BPE has none
        shutil.copyfile(pretrained / TOKENIZER, out_dir / TOKENIZER)  # save_pretrained writes none
    write_json(out_dir / "report.json", report)
    return Artifact({**report, "tokens_per_s": round(speed)})
