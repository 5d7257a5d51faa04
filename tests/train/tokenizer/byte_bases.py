"""Byte-level BPE bases as the hub has them, small: Llama 3's, Qwen's, SmolLM's and GPT-2's way."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from lilm.train.base.model_folder import save_llama
from lilm.vocabulary.byte_level import byte_alphabet, read_byte_level

BOS, EOS = "<|begin_of_text|>", "<|endoftext|>"
# as in the tokenizer.json of the models themselves
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
    r"\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def _split(expression: str) -> Any:
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(expression), "isolated"), bytes_only])


def _pre_tokenizer(kind: str) -> Any:
    words = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if kind == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words])
    return {"llama-bpe": _split(LLAMA3), "qwen2": _split(QWEN2), "gpt-2": words}[kind]


def write_base(folder: Path, kind: str, lines: Iterable[str], vocab_size: int = 1000, lacking: bytes = b"") -> Path:
    """A tokenizer learnt from `lines`, under llama.cpp's name for its kind, and a config.json; answers the folder.

    llama-bpe: special tokens after the vocabulary, of which BOS is put before a text. The others have only an EOS.
    lacking: bytes that it has no piece for, as SmolLM2's; no line may have them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE(ignore_merges=kind == "llama-bpe"))
    tokenizer.pre_tokenizer, tokenizer.decoder = _pre_tokenizer(kind), decoders.ByteLevel()
    if kind == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    alphabet = [char for byte, char in enumerate(byte_alphabet()) if byte not in lacking]
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None}
    if kind == "llama-bpe":
        config |= {"bos_token": {"content": BOS}, "eos_token": "<|end_of_text|>"}
        tokenizer.add_special_tokens([BOS, "<|end_of_text|>", "<|eot_id|>"])
        template = processors.TemplateProcessing(
            single=f"{BOS} $A",
            pair=f"{BOS} $A {BOS}:1 $B:1",
            special_tokens=[(BOS, tokenizer.token_to_id(BOS))],
        )
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    else:
        config |= {"eos_token": EOS}
        tokenizer.add_special_tokens([EOS, "<|im_start|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "config.json").write_text('{"max_position_embeddings": 256}', encoding="utf-8")
    return folder


def write_model(folder: Path, *, tied: bool) -> None:
    """A small Llama of random weights for the base in `folder`."""
    found = read_byte_level(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": found.bos_id if found.has_bos else None, "eos_token_id": found.eos_id}
    config = LlamaConfig(
        vocab_size=len(found.names),
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
        initializer_range=0.1,
        **shape,
        **ends,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(**ends)
    save_llama(model, folder)
