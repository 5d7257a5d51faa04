"""A control token for a base that has none at all, which nothing could end a text or a turn with that nobody can type.

It is a row that no text gives: what the base itself ends texts with, if that is such a row, else an unused one, else a
new one behind all others. The latter may be a row that the matrices have already, beyond the vocabulary.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from lilm.chat.marks import END_OF_TEXT
from lilm.vocabulary.sentencepiece import BYTE, CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED

ENDS = (*END_OF_TEXT, "</s>")
"""What bases end texts with, also one that names no EOS."""
SPARE = re.compile(
    r"(<\|?|\[)(\w*[_-])?(unused|reserved|extra|placeholder|dummy|spare)([_-]?(special[_-])?(token|id))?[_-]?\d+(\|?>|\])",
    re.IGNORECASE,
)
"""<unused0>, [unused1], <|reserved_special_token_0|>, <|extra_0|>, <extra_id_0>, <dummy00001>, …"""


@dataclass(frozen=True)
class TurnMark:
    """index: of its row. known: the base itself ends texts with it, so its row was learnt. is_new: it stands behind
    the base's own vocabulary."""

    index: int
    name: str
    known: bool = False
    is_new: bool = False


def mark_of_pieces(pieces: Sequence[Any], eos_id: int) -> TurnMark | None:
    """For the pieces of a SentencePiece model; None where one of them is a control token. eos_id: as the model says."""
    if any(piece.type == CONTROL for piece in pieces):
        return None
    names = {piece.piece for piece in pieces}
    free = {
        at: piece.piece
        for at, piece in enumerate(pieces)
        if piece.type not in (UNKNOWN, BYTE) and not _may_be_merged(piece.piece, names)
    }
    declared = [
        at
        for at, piece in enumerate(pieces)
        if piece.type == UNUSED or (piece.type in (NORMAL, USER_DEFINED) and SPARE.fullmatch(piece.piece))
    ]
    return _chosen(free, eos_id, declared, names)


def put_mark(proto: Any) -> TurnMark | None:
    """Makes the mark of a SentencePiece model its control piece, BOS and EOS. Returns the mark; None, and changes
    nothing, where the model has a control piece."""
    spec = proto.trainer_spec
    mark = mark_of_pieces(proto.pieces, spec.eos_id)
    if mark is not None:
        if mark.is_new:
            proto.pieces.add(piece=mark.name, score=0.0)
        proto.pieces[mark.index].type = CONTROL
        spec.bos_id, spec.bos_piece = spec.eos_id, spec.eos_piece = mark.index, mark.name
    return mark


def _may_be_merged(name: str, names: Collection[str]) -> bool:
    """Whether it is a character, or llama.cpp could put it together from two parts, of whatever type they are."""
    parts = ((name[:at], name[at:]) for at in range(1, len(name)))
    return len(name) < 2 or any(all(len(part) == 1 or part in names for part in both) for both in parts)


def mark_of_merges(
    names: Sequence[str],
    merges: Iterable[tuple[str, str]],
    added: Collection[int],
    eos_id: int | None,
    ignore_merges: bool,
) -> TurnMark:
    """For the tokens of a byte-level BPE, none of which is a control token. eos_id: as the files say, if they do.

    added: ids of added tokens, which somebody has a use for. ignore_merges: a word that is a token as it stands is one;
    only what declares itself to be unused, and is cut into several words, is then sure to come out of no text.
    """
    merged = {left + right for left, right in merges}
    free = {
        at: name
        for at, name in enumerate(names)
        if len(name) > 1
        and name not in merged
        and (SPARE.fullmatch(name) or name in ENDS or (not ignore_merges and (at not in added or at == eos_id)))
    }
    declared = [at for at, name in free.items() if SPARE.fullmatch(name)]
    return _chosen(free, -1 if eos_id is None else eos_id, [*declared, *reversed(free)], set(names))


def _chosen(free: dict[int, str], eos_id: int, spare: Iterable[int], names: Collection[str]) -> TurnMark:
    """free: what no text gives, by id. spare: which of them to take, best first; others may stand among them."""
    ends = [eos_id, *(at for end in ENDS for at, name in free.items() if name == end)]
    for at in ends:
        if at in free:
            return TurnMark(at, free[at], known=True)
    for at in spare:
        if at in free:
            return TurnMark(at, free[at])
    forms = (END_OF_TEXT[0] if not number else f"<|endoftext_{number}|>" for number in count())
    return TurnMark(len(names), next(name for name in forms if name not in names), is_new=True)
