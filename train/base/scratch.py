"""A small English Llama from nothing but the corpus's English: what the quickstart starts from."""

from pathlib import Path
from typing import Any

import sentencepiece
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from lilm.artifact import Artifact
from lilm.devices import prepare_torch
from lilm.documents import read_texts
from lilm.recipe import BaseConfig
from lilm.stage import Context
from lilm.train.base.model_folder import TOKENIZER, save_llama
from lilm.train.corpus.packing import PackedSequences
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.train.trainer.batches import mixed
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.measure import bits_per_byte, take_bytes
from lilm.train.trainer.memory_store import MemoryStore

EVAL_BYTES = 50_000


def train_scratch(config: BaseConfig, corpus: Path, out_dir: Path, context: Context) -> Artifact:
    """Tokenizer, then weights. Measures bits per byte on held-out English."""
    device = prepare_torch(context.seed, context.threads)
    shape = config.scratch
    texts = list(read_texts(corpus, context.base_language, "train"))
    train_base_tokenizer(texts, shape.vocab_size, out_dir / TOKENIZER)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(out_dir / TOKENIZER))
    bos, eos = tokenizer.bos_id(), tokenizer.eos_id()
    store = MemoryStore([[bos, *ids, eos] for ids in tokenizer.encode(texts)])
    sequences = PackedSequences(store, shape.sequence_length, context.seed)
    architecture = LlamaConfig(
        **shape.model_dump(exclude={"optim", "sequence_length", "vocab_size"}),  # named as transformers names them
        vocab_size=tokenizer.vocab_size(),
        tie_word_embeddings=True,
        bos_token_id=bos,
        eos_token_id=eos,
        rms_norm_eps=1e-5,
    )
    model: Any = LlamaForCausalLM(architecture)
    model.to(device)
    job = Job(
        label="base",
        optim=shape.optim,
        batch_at=mixed(sequences, None, 0.0, shape.optim.batch_size),
        checkpoints=out_dir / "checkpoints",
        dtype=config.dtype,
    )
    metrics, speed = train(model, job, context.reporter)
    heldout = take_bytes(read_texts(corpus, context.base_language, "heldout"), EVAL_BYTES)
    bpb = bits_per_byte(model, tokenizer.encode, bos, heldout, shape.sequence_length)
    model.generation_config = GenerationConfig(bos_token_id=bos, eos_token_id=eos)
    save_llama(model, out_dir)
    return Artifact(
        {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "train_tokens": store.n_tokens,
            "final_loss": metrics[-1]["loss"],
            f"bits_per_byte_{context.base_language}": bpb,
            "tokens_per_s": round(speed),
        }
    )
