"""What kind of pieces a vocabulary holds: by script, by length, and which of them no text uses."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import regex

from lilm.train.tokenizer.report.tokenizers import Counts
from lilm.vocabulary.sentencepiece import BYTE, NORMAL, UNUSED

LONGEST = 6  # characters; longer pieces are counted together
RARE = 10  # a piece that stands less often in the corpus than this
SHOWN = 80
KINDS = {
    "kanji": r"[\p{Han}々〆]+",
    "hiragana": r"[\p{Hiragana}ー]+",
    "katakana": r"[\p{Katakana}ー]+",
    "kanji and kana": r"[\p{Han}\p{Hiragana}\p{Katakana}々〆ー]+",
    "Latin": r"\p{Latin}+",
    "digits": r"\p{N}+",
    "signs": r"[\p{P}\p{S}\s]*",
}
_PATTERNS = {name: regex.compile(pattern) for name, pattern in KINDS.items()}


def kind_of(piece: Any) -> str:
    """Returns the kind of a ModelProto's piece: a key of KINDS, "letters and signs", "other script", "byte", "unused"
    or "control".

    A space in front counts for nothing.
    """
    if piece.type != NORMAL:
        return {BYTE: "byte", UNUSED: "unused"}.get(piece.type, "control")
    text = piece.piece.replace("▁", "")
    for name, pattern in _PATTERNS.items():
        if pattern.fullmatch(text):
            return name
    letters = regex.sub(r"[\p{P}\p{S}\p{N}\p{M}\s]", "", text)
    japanese_or_latin = regex.fullmatch(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Latin}々〆ー]*", letters)
    return "letters and signs" if japanese_or_latin else "other script"


def piece_table(pieces: Sequence[Any]) -> dict[str, dict[str, int]]:
    """kind -> length in characters -> pieces; the last length is `6+`. Kinds with the most pieces first."""
    found: dict[str, Counter[str]] = {}
    for piece in pieces:
        size = 1 if piece.type != NORMAL else len(piece.piece)
        found.setdefault(kind_of(piece), Counter())[str(size) if size < LONGEST else f"{LONGEST}+"] += 1
    return {kind: dict(sorted(found[kind].items())) for kind in sorted(found, key=lambda k: -found[k].total())}


def usage(pieces: Sequence[Any], counts: Counts, base_size: int) -> dict[str, dict[str, Any]]:
    """Returns, of the base's pieces and of the new ones that text can give, how many, dead (in no text), rare (in it
    less than RARE times), and the dead ones' names, the first SHOWN in the order of ids."""
    answer = {}
    for name, begin, stop in (("base", 0, base_size), ("new", base_size, len(pieces))):
        ids = [index for index in range(begin, stop) if pieces[index].type == NORMAL]
        dead = [index for index in ids if not counts[index]]
        answer[name] = {
            "pieces": len(ids),
            "dead": len(dead),
            "rare": sum(0 < int(counts[index]) < RARE for index in ids),
            "dead_pieces": [pieces[index].piece for index in dead[:SHOWN]],
        }
    return answer
