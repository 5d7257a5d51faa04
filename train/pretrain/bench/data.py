"""Text of both languages, a small English base, and a vocabulary merged from them: what every run starts from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.recipe import OptimConfig, TokenizerConfig
from lilm.train.base.model_folder import TOKENIZER, check_model_folder, load_llama, save_llama
from lilm.train.corpus.bench.data import real_texts, texts_below
from lilm.train.corpus.normalise import normalise
from lilm.train.corpus.pieces import pieces
from lilm.train.pack.memory_store import MemoryStore
from lilm.train.pack.packing import PackedSequences
from lilm.train.stories import stories
from lilm.train.tokenizer.hf import build_tokenizer
from lilm.train.tokenizer.merge import merge_pieces, normal_pieces, read_base
from lilm.train.tokenizer.train import train_base_tokenizer, train_sentencepiece
from lilm.train.trainer.batches import mixed
from lilm.train.trainer.loop import Job, train
from lilm.train.trainer.measure import take_bytes
from lilm.vocabulary.sentencepiece import processor, read_proto

ENGLISH = (("html", "sherlock/*.xhtml"), ("text", "tinyshakespeare/*.txt"))
MODEL = "model/stories260K-hf"
HELD_OUT = 20  # every so many documents one is held out
HELD_OUT_BYTES = 60_000
OWN, OWN_HELD_OUT, OWN_TOKENS = 600, 100, 250  # texts that the base writes; those measured; tokens of each
STORIES = {"ja": 12_000, "en": 4_000}
MAX_CHARS = {"ja": 20_000, "en": 2_000}  # of a document; the English is two books

SCRATCH: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 172,
    "num_hidden_layers": 5,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
SCRATCH_STEPS = 100


@dataclass(frozen=True)
class Text:
    """Documents of one language; no document is in both lists."""

    train: list[str]
    heldout: list[str]


@dataclass(frozen=True)
class Bed:
    """base: folder of the Llama. japanese, english: learnt and measured. own: English that the base wrote itself,
    measured only. tokenizer: `tokenizers.Tokenizer` of the merged vocabulary `names`. stores: documents
    `<s>` … `</s>` to train on; "ja", "en" and "own", of which the last is again the base's own.
    """

    base: Path
    japanese: Text
    english: Text
    own: list[str]
    tokenizer: Any
    names: list[str]
    bos: int
    stores: dict[str, MemoryStore]

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def split(texts: Iterator[str], lang: str) -> Text:
    documents = [piece for text in texts for piece in pieces(normalise(text, lang, "、。"), MAX_CHARS[lang])]
    heldout = take_bytes(documents[::HELD_OUT], HELD_OUT_BYTES)
    if not heldout or len(documents) <= HELD_OUT:
        raise LilmError(
            f"{len(documents)} documents of {lang}", where="--data", remedy="give more text, or leave --data out"
        )
    return Text([document for at, document in enumerate(documents) if at % HELD_OUT], heldout)


def make_bed(reporter: Reporter, data: Path | None, pieces_wanted: int, work: Path) -> Bed:
    """data: a folder with ja_text, en_text and model/stories260K-hf; None: made-up stories, and a base trained on
    some of them in `work`.

    Raises LilmError when something of it is missing.
    """
    if data is None:
        japanese, english = (split(stories(lang, STORIES[lang], 0), lang) for lang in ("ja", "en"))
        base = _scratch_base(reporter, english.train, work)
    else:
        japanese, english = split(real_texts(data), "ja"), split(texts_below(data / "en_text", "en", ENGLISH), "en")
        base = data / MODEL
        check_model_folder(base)
    proto = read_base(base / TOKENIZER)
    config = TokenizerConfig(pieces=pieces_wanted)
    learnt = train_sentencepiece(take_bytes(japanese.train, 6_000_000), config, normal_pieces(proto))
    merged = merge_pieces(proto, learnt, config.pieces, config.multiple)
    tokenizer = build_tokenizer(merged.proto)
    tokenizer.encode_special_tokens = True  # "</s>" written in a text is text
    spm = processor(merged.proto)
    bos, eos = spm.bos_id(), spm.eos_id()
    own = base_writes(base, OWN, seed=0)
    stores = {}
    for name, texts in (("ja", japanese.train), ("en", english.train), ("own", own[OWN_HELD_OUT:])):
        encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        stores[name] = MemoryStore([[bos, *one.ids, eos] for one in encoded])
    names = [piece.piece for piece in merged.proto.pieces]
    return Bed(base, japanese, english, own[:OWN_HELD_OUT], tokenizer, names, bos, stores)


def base_writes(base: Path, count: int, seed: int) -> list[str]:
    """`count` texts drawn from the base as it is (temperature 1, nothing cut off), `OWN_TOKENS` long at most.

    No model can foretell them better than the base, on average: what another loses on them is what it forgot
    (the rise times ln 2 is a Kullback-Leibler divergence).
    """
    torch.manual_seed(seed)
    model: Any = load_llama(base, torch.device("cpu"))
    spm = processor(read_proto(base / TOKENIZER))
    start = torch.full((count, 1), spm.bos_id())
    drawn = model.generate(
        start,
        attention_mask=torch.ones_like(start),
        do_sample=True,
        top_k=0,
        max_new_tokens=OWN_TOKENS,
        pad_token_id=spm.eos_id(),
        eos_token_id=spm.eos_id(),
    )
    texts = [spm.decode([one for one in row if one not in (spm.bos_id(), spm.eos_id())]) for row in drawn.tolist()]
    return [text for text in texts if text]


def _scratch_base(reporter: Reporter, texts: list[str], work: Path) -> Path:
    """A Llama of stories260K's shape trained on `texts` for a few steps; returns its folder."""
    folder = work / "base"
    folder.mkdir()
    train_base_tokenizer(texts, SCRATCH["vocab_size"], folder / TOKENIZER)
    spm = processor(read_base(folder / TOKENIZER))
    bos, eos = spm.bos_id(), spm.eos_id()
    sequences = PackedSequences(MemoryStore([[bos, *ids, eos] for ids in spm.encode(texts)]), 256, seed=0)
    model: Any = LlamaForCausalLM(LlamaConfig(**SCRATCH, bos_token_id=bos, eos_token_id=eos))
    optim = OptimConfig(steps=SCRATCH_STEPS, lr=5e-3, batch_size=16)
    train(model, Job("base", optim, mixed(sequences, None, 0.0, 16), work / "base-checkpoints"), reporter)
    save_llama(model, folder)
    return folder
