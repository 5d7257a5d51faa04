"""The merged model as Hugging Face files: our own tokenizer.json, because transformers' conversion ignores scores."""

from pathlib import Path
from typing import Any

from lilm.pipeline.hashing import write_json
from lilm.vocabulary.sentencepiece import CONTROL, NORMAL, UNKNOWN, special_ids

SPACE = "▁"


def merges_by_score(proto: Any) -> list[tuple[str, str]]:
    """All ways to put a NORMAL piece together from two, best score first: SentencePiece's order.

    SentencePiece gives all ways of one piece the same rank and takes the leftmost in the text. Ranks differ
    here, so the way with the longer left half comes first: where two ways share a symbol, it is the one that
    stands more to the left.
    """
    normal = {piece.piece for piece in proto.pieces if piece.type == NORMAL}
    ordered = sorted((p for p in proto.pieces if p.type == NORMAL), key=lambda piece: -piece.score)
    return [
        (text[:cut], text[cut:])
        for text in (piece.piece for piece in ordered)
        for cut in range(len(text) - 1, 0, -1)
        if text[:cut] in normal and text[cut:] in normal
    ]


def build_tokenizer(proto: Any) -> Any:
    """A `tokenizers.Tokenizer` with the ids of the SentencePiece model, in the form of Llama's legacy one.

    The normaliser puts ▁ before each stretch of text between special tokens, as llama.cpp does.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    unk, bos, _ = special_ids(proto)
    names = [piece.piece for piece in proto.pieces]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={name: index for index, name in enumerate(names)},
            merges=merges_by_score(proto),
            unk_token=names[unk],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{names[bos]}:0 $A:0",
        pair=f"{names[bos]}:0 $A:0 {names[bos]}:1 $B:1",
        special_tokens=[(names[bos], bos)],
    )
    special = [piece.piece for piece in proto.pieces if piece.type in (CONTROL, UNKNOWN)]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in special])
    return tokenizer


def tokenizer_config(proto: Any, model_max_length: int, eos_id: int | None = None) -> dict[str, Any]:
    """tokenizer_config.json. The class is the plain fast one: LlamaTokenizer would rebuild the merges by id.

    eos_id: of a token that is EOS instead of the model's own.
    """
    unk, bos, own = special_ids(proto)
    eos = own if eos_id is None else eos_id
    names = [piece.piece for piece in proto.pieces]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": names[bos],
        "eos_token": names[eos],
        "unk_token": names[unk],
        # Llama has no padding piece. The unknown one never stands in text, since bytes cover everything.
        "pad_token": names[unk],
        "add_bos_token": True,
        "add_eos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model_max_length,
        "model_input_names": ["input_ids", "attention_mask"],
    }


def write_tokenizer(proto: Any, out_dir: Path, model_max_length: int, eos_id: int | None = None) -> None:
    """tokenizer.model, tokenizer.json and tokenizer_config.json in `out_dir`, loadable by AutoTokenizer. eos_id: as in
    `tokenizer_config`."""
    (out_dir / "tokenizer.model").write_bytes(proto.SerializeToString(deterministic=True))
    build_tokenizer(proto).save(str(out_dir / "tokenizer.json"), pretty=False)
    write_json(out_dir / "tokenizer_config.json", tokenizer_config(proto, model_max_length, eos_id))
