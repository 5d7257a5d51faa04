"""A tokenizer's keys in a GGUF file, from the files that training used."""

from pathlib import Path
from typing import TYPE_CHECKING

from lilm.vocabulary.added_tokens import named_ids
from lilm.vocabulary.byte_level import read_byte_level
from lilm.vocabulary.sentencepiece import (
    CONTROL,
    MODEL,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    has_model,
    read_proto,
    special_ids,
)

if TYPE_CHECKING:
    import gguf


def add_vocab(writer: "gguf.GGUFWriter", tokenizer_dir: Path, chat_template: str | None) -> int:
    """Write the `tokenizer.*` keys of `tokenizer_dir`: of its tokenizer.model or, where it has none, of its byte-level
    tokenizer.json. Returns the vocabulary's size. Raises LilmError when the file is missing or corrupt."""
    add = _add_sentencepiece if has_model(tokenizer_dir) else _add_byte_level
    size = add(writer, tokenizer_dir)
    if chat_template:
        writer.add_chat_template(chat_template)
    return size


def _add_sentencepiece(writer: "gguf.GGUFWriter", tokenizer_dir: Path) -> int:
    """Pieces, scores and types go in as they are: llama.cpp merges by score like SentencePiece, and its token types
    have SentencePiece's numbers. EOS is the one that tokenizer_config.json names, as in Hugging Face: after fine-tuning
    it is what ends a turn, which tokenizer.model cannot tell."""
    proto = read_proto(tokenizer_dir / MODEL)
    unk, bos, own = special_ids(proto)
    eos = named_ids(tokenizer_dir, proto)[1]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.piece.encode() for piece in proto.pieces])
    writer.add_token_scores([piece.score for piece in proto.pieces])
    writer.add_token_types([piece.type for piece in proto.pieces])
    writer.add_bos_token_id(bos)
    writer.add_eos_token_id(eos)
    writer.add_unk_token_id(unk)
    if own != eos:
        writer.add_eot_token_id(own)  # llama.cpp stops at either
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)
    return len(proto.pieces)


def _add_byte_level(writer: "gguf.GGUFWriter", tokenizer_dir: Path) -> int:
    """llama.cpp's `gpt2`: merges by rank, after the pre-tokenizer that `pre` names. Without a BOS of its own the model
    gets its EOS as one, which is not put before a text; llama.cpp would take id 11 otherwise."""
    found = read_byte_level(tokenizer_dir)
    types = [NORMAL] * len(found.names)
    for index, is_control in found.special.items():
        types[index] = CONTROL if is_control else USER_DEFINED
    for index in found.unused:
        types[index] = UNUSED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(found.pre)
    writer.add_token_list([name.encode() for name in found.names])
    writer.add_token_types(types)
    writer.add_token_merges([" ".join(merge) for merge in found.merges])
    writer.add_bos_token_id(found.bos_id)
    writer.add_eos_token_id(found.eos_id)
    writer.add_add_bos_token(found.adds_bos)
    writer.add_add_eos_token(False)
    return len(found.names)


def write_vocab_gguf(tokenizer_dir: Path, path: Path) -> None:
    """A GGUF file that has the vocabulary only: what llama.cpp needs to tokenise, and nothing to run.

    Load it with `vocab_only`. Raises LilmError when the tokenizer is missing or corrupt.
    """
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    try:
        writer.add_vocab_size(add_vocab(writer, tokenizer_dir, None))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
