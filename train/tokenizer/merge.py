"""Adding pieces to a Llama's SentencePiece model so that every runtime cuts text alike.

SentencePiece and llama.cpp merge by score, so each added piece gets its own, below the base's lowest: the usual
score 0 for all of them gives other ids in training than in the app. Added pieces are NORMAL (llama.cpp cuts
USER_DEFINED ones apart), padding is UNUSED.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.train.tokenizer.train import Learnt
from lilm.vocabulary.added_tokens import read_model
from lilm.vocabulary.sentencepiece import BPE, BYTE, NORMAL, UNUSED, USER_DEFINED, empty_proto, processor, special_ids

LOWEST_SCORE = float(-(2**23))  # below it float32 makes neighbours equal; Llama's pieces of spaces are at -1e9


@dataclass(frozen=True)
class Merged:
    """proto: the merged ModelProto. added: new pieces, at ids base_size, base_size + 1, …

    known: learnt pieces that the base had already. unreachable: learnt pieces that no text can give, left out, also
    those that only pieces beyond `wanted` lead to.
    padding: UNUSED pieces at the end.
    """

    proto: Any
    base_size: int
    added: tuple[str, ...]
    known: int
    unreachable: tuple[str, ...]
    padding: int


def read_base(path: Path) -> Any:
    """The base's ModelProto. Raises LilmError unless it is a BPE that the runtimes agree on."""
    proto = read_model(path)
    special_ids(proto, str(path))
    types = [piece.type for piece in proto.pieces]
    scores = [piece.score for piece in proto.pieces if piece.type == NORMAL]
    pieces = {piece.piece for piece in proto.pieces if piece.type == NORMAL}
    # SentencePiece merges through characters that are no pieces themselves, Hugging Face does not.
    orphans = [piece for piece in sorted(pieces) if any(char not in pieces for char in piece)]
    names = Counter(piece.piece for piece in proto.pieces)
    doubled = [name for name, count in names.items() if count > 1]
    ranks = [piece.score for piece in proto.pieces if piece.type == NORMAL and len(piece.piece) > 1]
    problems = (
        ("" in names, "has an empty piece"),
        (bool(doubled), f"has a piece twice, {doubled[:1]}"),
        (proto.trainer_spec.model_type != BPE, "is not a BPE model (Unigram vocabularies cannot be merged by score)"),
        (types.count(BYTE) != 256, f"has {types.count(BYTE)} byte pieces, not 256"),
        (USER_DEFINED in types, "has USER_DEFINED pieces, which llama.cpp cuts apart"),
        (bool(proto.normalizer_spec.precompiled_charsmap), "normalises text, which llama.cpp does not"),
        (not proto.normalizer_spec.add_dummy_prefix, "puts no space before the first word"),
        (proto.trainer_spec.treat_whitespace_as_suffix, "writes spaces behind words"),
        (all(s <= LOWEST_SCORE for s in scores), "has scores too low to put others below them in float32"),
        (len(ranks) > len(set(ranks)) == 1, "has one score for all pieces, which is no order of merges"),
        (bool(orphans), f"has pieces with characters that are no pieces, like {orphans[:3]}"),
    )
    for wrong, what in problems:
        if wrong:
            raise LilmError(f"the base's tokenizer {what}", where=str(path), remedy="use a Llama or TinyLlama base")
    try:
        processor(proto)
    except (RuntimeError, UnicodeDecodeError) as error:  # byte pieces of other names, which it may quote as they are
        raise LilmError(
            f"SentencePiece does not take it ({error})", where=str(path), remedy="fetch the file again"
        ) from error
    return proto


def normal_pieces(proto: Any) -> frozenset[str]:
    return frozenset(piece.piece for piece in proto.pieces if piece.type == NORMAL)


def unreachable_pieces(proto: Any, pieces: Iterable[str]) -> list[str]:
    """Those of `pieces` that no text is ever cut into.

    A piece comes out of some text exactly when it comes out of its own text alone: merges never reach over the
    border of a piece that results, so inside it they happen in the same order in both.
    """
    pieces = list(pieces)
    alone = processor(proto, add_dummy_prefix=False)
    ids = alone.encode([piece.replace("▁", " ") for piece in pieces])
    return [piece for piece, found in zip(pieces, ids, strict=True) if found != [alone.piece_to_id(piece)]]


def _append(proto: Any, pieces: Sequence[str], kind: int, score: float) -> float:
    """Append pieces with scores `score` - 1, - 2, …; returns the last one."""
    for piece in pieces:
        score -= 1
        proto.pieces.add(piece=piece, score=score, type=kind)
    return score


def with_pieces(base: Any, pieces: Sequence[str]) -> tuple[Any, float]:
    """(the base's ModelProto with `pieces` behind its own, the score of the last one)."""
    proto = empty_proto()
    proto.CopyFrom(base)
    lowest = min(piece.score for piece in base.pieces if piece.type == NORMAL and piece.score > LOWEST_SCORE)
    return proto, _append(proto, pieces, NORMAL, lowest)


def merge_pieces(base: Any, learnt: Learnt, wanted: int, multiple: int) -> Merged:
    """The base with at most `wanted` new pieces, padded to a multiple of `multiple`.

    Unreachable pieces are dropped, which changes no text's ids: they take part in no merge. Merged pieces are
    taken in the order learnt; a single character goes in always, since merged pieces are made of it. A piece that
    Unigram learnt may need parts that come after it and are cut off with the rest; it is dropped then too.
    """
    have = {piece.piece for piece in base.pieces}
    new = [piece for piece in learnt.pieces if piece not in have]
    characters = [piece for piece in new if len(piece) == 1]
    words = [piece for piece in new if len(piece) > 1]
    unreachable: set[str] = set()
    dead = set(unreachable_pieces(with_pieces(base, new)[0], words))
    while True:
        unreachable |= dead
        words = [piece for piece in words if piece not in dead]
        added = [*words[: max(0, wanted - len(characters))], *characters]
        proto, lowest = with_pieces(base, added)
        dead = set(unreachable_pieces(proto, added))
        if not dead:
            break

    padding = -len(proto.pieces) % multiple
    unused = (name for index in count() if (name := f"<unused_{index}>") not in have)
    _append(proto, list(islice(unused, padding)), UNUSED, lowest)
    proto.trainer_spec.vocab_size = len(proto.pieces)
    proto.normalizer_spec.remove_extra_whitespaces = False
    return Merged(
        proto,
        base_size=len(base.pieces),
        added=tuple(added),
        known=len(learnt.pieces) - len(new),
        unreachable=tuple(sorted(unreachable)),
        padding=padding,
    )
