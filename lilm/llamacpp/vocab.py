"""A tokenizer's keys in a GGUF file, from the tokenizer.model that training used."""

from pathlib import Path
from typing import TYPE_CHECKING

from lilm.spm import read_proto, special_ids

if TYPE_CHECKING:
    import gguf


def add_vocab(writer: "gguf.GGUFWriter", tokenizer_dir: Path, chat_template: str | None) -> int:
    """Write the `tokenizer.*` keys of `tokenizer_dir`/tokenizer.model. Answers the vocabulary's size.

    Pieces, scores and types go in as they are: llama.cpp merges by score like SentencePiece, and its token
    types have SentencePiece's numbers. Raises LilmError when the file is missing or corrupt.
    """
    proto = read_proto(tokenizer_dir / "tokenizer.model")
    unk, bos, eos = special_ids(proto)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([piece.piece.encode() for piece in proto.pieces])
    writer.add_token_scores([piece.score for piece in proto.pieces])
    writer.add_token_types([piece.type for piece in proto.pieces])
    writer.add_bos_token_id(bos)
    writer.add_eos_token_id(eos)
    writer.add_unk_token_id(unk)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(proto.normalizer_spec.add_dummy_prefix)
    if chat_template:
        writer.add_chat_template(chat_template)
    return len(proto.pieces)


def write_vocab_gguf(tokenizer_dir: Path, path: Path) -> None:
    """A GGUF file that has the vocabulary only: what llama.cpp needs to tokenise, and nothing to run.

    Load it with `vocab_only`. Raises LilmError when tokenizer.model is missing or corrupt.
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
