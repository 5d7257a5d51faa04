"""A merged vocabulary of either kind, beside its base's, as the report looks at it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.train.tokenizer.byte_merge import tokenizer_json
from lilm.train.tokenizer.report.curve import sizes, truncated
from lilm.train.tokenizer.report.tokenizers import Cutter, FastCutter, SentencePieceCutter
from lilm.vocabulary.byte_level import FILE, ByteLevel, piece_bytes, read_byte_level
from lilm.vocabulary.sentencepiece import BYTE, CONTROL, MODEL, NORMAL, UNUSED, has_model, read_proto


@dataclass(frozen=True)
class Piece:
    """A piece as a ModelProto has it. piece: its text, a space as ▁. type: BYTE also of what is part of a character."""

    piece: str
    type: int


@dataclass(frozen=True)
class Vocabulary:
    """pieces: by id, the first `base_size` the base's. sizes: numbers of new pieces that a smaller one may have;
    smaller: cuts text as the one with so many would."""

    pieces: Sequence[Any]
    base_size: int
    base: Cutter
    merged: Cutter
    sizes: Sequence[int]
    smaller: Callable[[int], Cutter]


def read_vocabulary(folder: Path, base: Path) -> Vocabulary:
    """folder: of the merged tokenizer. base: the base's tokenizer.model or tokenizer.json. Raises LilmError when one
    cannot be read, or it was not merged into `base`."""
    return (_sentencepiece if has_model(folder) else _byte_level)(folder, base)


def _check_merged(names: Sequence[str], base_names: Sequence[str], folder: Path) -> None:
    if list(names[: len(base_names)]) != list(base_names):
        raise LilmError("it was not merged into this base", where=str(folder), remedy=f"give the base of {folder}")


def _sentencepiece(folder: Path, base: Path) -> Vocabulary:
    proto, base_proto = read_proto(folder / MODEL), read_proto(base)
    names, base_names = ([piece.piece for piece in one.pieces] for one in (proto, base_proto))
    _check_merged(names, base_names, folder)
    pieces, base_size = list(proto.pieces), len(base_names)
    new = [piece.piece for piece in pieces[base_size:] if piece.type == NORMAL]
    return Vocabulary(
        pieces,
        base_size,
        SentencePieceCutter("base", base_proto),
        SentencePieceCutter("merged", proto),
        sizes(sum(len(piece) == 1 for piece in new), len(new)),
        lambda count: SentencePieceCutter("", truncated(proto, base_size, count)),
    )


def _byte_level(folder: Path, base: Path) -> Vocabulary:
    found, old = read_byte_level(folder), read_byte_level(base.parent)
    _check_merged(found.names, old.names, folder)
    pieces, base_size = [_piece(found, index) for index in range(len(found.names))], len(old.names)
    new = [name for index, name in enumerate(found.names[base_size:], base_size) if index not in found.unused]
    merges = found.merges[len(old.merges) :]

    def smaller(count: int) -> Cutter:
        """Names stand in the order of their merges: the first so many need none of the others."""
        have = {*old.names, *new[:count]}
        kept = [merge for merge in merges if {*merge, "".join(merge)} <= have]
        return FastCutter.of_json("", tokenizer_json(old, new[:count], kept, 0))

    first = next((at for at in range(len(new)) if len(pieces[base_size + at].piece) > 1), len(new))
    return Vocabulary(
        pieces,
        base_size,
        FastCutter("base", base),
        FastCutter("merged", folder / FILE),
        sizes(first, len(new)),
        smaller,
    )


def _piece(found: ByteLevel, index: int) -> Piece:
    name = found.names[index]
    if index in found.special or index in found.unused:
        return Piece(name, CONTROL if index in found.special else UNUSED)
    try:
        return Piece(piece_bytes(name).decode().replace(" ", "▁"), NORMAL)
    except UnicodeDecodeError:
        return Piece("�", BYTE)
