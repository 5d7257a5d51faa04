"""A small English Llama from nothing but the corpus's English: what the quickstart starts from."""

from pathlib import Path
from typing import Any

import sentencepiece
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from lilm.devices import prepare_torch
from lilm.documents import read_texts
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.stage import Context
from lilm.recipe import BaseConfig
from lilm.train.base.model_folder import TOKENIZER, save_llama
from lilm.train.pack.memory_store import MemoryStore
from lilm.train.pack.packing import PackedSequences
from lilm.train.tokenizer.train import train_base_tokenizer
from lilm.train.trainer.batches import mixed
from lilm.train.trainer.hosts import check_ranks
from lilm.train.trainer.launch import is_for_many, launch
from lilm.train.trainer.logbook import Logbook
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.measure import bits_per_byte, take_bytes
from lilm.train.trainer.rank import barrier, current_rank

EVAL_BYTES = 50_000


def train_scratch(config: BaseConfig, corpus: Path, out_dir: Path, context: Context) -> Artifact:
    """Tokenizer, then weights, in as many processes as the recipe says. Measures bits per byte on held-out English.

    Raises LilmError when a batch cannot be shared out over the processes.
    """
    check_ranks(config.scratch.distributed, {"base.scratch.optim": config.scratch.optim})
    if is_for_many(config.scratch.distributed):
        return launch("base", config, config.scratch.distributed, {"corpus": corpus}, out_dir, context)
    device = prepare_torch(context.seed, context.threads)
    shape = config.scratch
    texts = list(read_texts(corpus, context.base_language, "train"))
    if current_rank().rank == 0:
        train_base_tokenizer(texts, shape.vocab_size, out_dir / TOKENIZER)
    barrier()
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(out_dir / TOKENIZER))
    bos, eos = tokenizer.bos_id(), tokenizer.eos_id()
    store = MemoryStore([[bos, *ids, eos] for ids in tokenizer.encode(texts)])
    sequences = PackedSequences(store, shape.sequence_length, context.seed)
    architecture = LlamaConfig(
        # named as transformers names them
        **shape.model_dump(exclude={"optim", "distributed", "sequence_length", "vocab_size"}),
        vocab_size=tokenizer.vocab_size(),
        tie_word_embeddings=True,
        bos_token_id=bos,
        eos_token_id=eos,
        rms_norm_eps=1e-5,
    )
    model: Any = LlamaForCausalLM(architecture)
    model.to(device)
    logbook = Logbook("base", out_dir, context.reporter)
    job = Job(
        label="base",
        optim=shape.optim,
        batch_at=mixed(sequences, None, 0.0, shape.optim.batch_size),
        checkpoints=out_dir / "checkpoints",
        dtype=config.dtype,
        zero=shape.distributed.zero,
        observe=logbook.see,
    )
    metrics, speed = train(model, job, context.reporter)
    logbook.end_stage(metrics)
    heldout = take_bytes(read_texts(corpus, context.base_language, "heldout"), EVAL_BYTES)
    bpb = bits_per_byte(model, tokenizer.encode, bos, heldout, shape.sequence_length)
    if current_rank().rank:
        return Artifact()  # the first process writes what all have
    model.generation_config = GenerationConfig(bos_token_id=bos, eos_token_id=eos)
    save_llama(model, out_dir)
    return Artifact(
        {
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "train_tokens": store.n_tokens,
            "final_loss": metrics[-1]["loss"] if metrics else None,
            f"bits_per_byte_{context.base_language}": bpb,
            "tokens_per_s": round(speed),
            "mfu": logbook.mfu,
        },
        logbook.end(),
    )
