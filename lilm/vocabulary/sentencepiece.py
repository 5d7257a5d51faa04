"""Reading SentencePiece models: the proto itself, with errors for the user."""

import re
from pathlib import Path
from typing import Any

from lilm.errors import LilmError

MODEL = "tokenizer.model"

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Piece types of sentencepiece_model.proto; GGUF's token types have the same numbers."""

UNIGRAM, BPE = 1, 2
"""`trainer_spec.model_type`."""


_TIKTOKEN = re.compile(rb"[A-Za-z0-9+/]+=* \d+\r?\n")


def has_model(folder: Path) -> bool:
    """Returns whether `folder` has a tokenizer.model that is not tiktoken's. Llama 3 comes with one of those beside its
    tokenizer.json: a line of base64 and a rank for each token."""
    path = folder / MODEL
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _TIKTOKEN.match(file.read(1000)) is None


def empty_proto() -> Any:
    """A new `sentencepiece.ModelProto`."""
    from sentencepiece import sentencepiece_model_pb2 as proto

    return proto.ModelProto()  # type: ignore[attr-defined]


def read_proto(path: Path) -> Any:
    """The `ModelProto` in a tokenizer.model. Raises LilmError when it is missing or not one."""
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise LilmError("no such file", where=str(path), remedy="give a model folder that has a SentencePiece model")
    proto = empty_proto()
    try:
        proto.ParseFromString(path.read_bytes())
    except DecodeError as error:
        raise LilmError(
            f"not a SentencePiece model ({error})", where=str(path), remedy="fetch the file again"
        ) from error
    if not proto.pieces:
        raise LilmError("a SentencePiece model without pieces", where=str(path), remedy="fetch the file again")
    return proto


def processor(proto: Any, *, add_dummy_prefix: bool = True) -> Any:
    """A `SentencePieceProcessor` of `proto` that keeps every space, as Hugging Face and llama.cpp do.

    add_dummy_prefix: False takes text as it stands, without the ▁ before its first word.
    """
    import sentencepiece

    copy = empty_proto()
    copy.CopyFrom(proto)
    copy.normalizer_spec.remove_extra_whitespaces = False
    copy.normalizer_spec.add_dummy_prefix = add_dummy_prefix
    return sentencepiece.SentencePieceProcessor(model_proto=copy.SerializeToString())


def special_ids(proto: Any, where: str = "") -> tuple[int, int, int]:
    """(unknown, BOS, EOS) ids of a model. Raises LilmError when one is missing, which names `where`."""
    spec = proto.trainer_spec
    ids = (int(spec.unk_id), int(spec.bos_id), int(spec.eos_id))
    for name, number, kind in zip(("unknown", "BOS", "EOS"), ids, (UNKNOWN, CONTROL, CONTROL), strict=True):
        if not 0 <= number < len(proto.pieces) or proto.pieces[number].type != kind:
            raise LilmError(
                f"the tokenizer has no {name} piece (id {number})", where=where, remedy="use a Llama base with one"
            )
    return ids
