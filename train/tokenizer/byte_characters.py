"""The merges that make whole characters out of a byte-level base's pieces, without touching English.

A character of three bytes needs a piece of two on the way. That must be one which no text in English holds: `EF BC` of
「！」 begins Ａ too, so there it is the last two bytes that merge first.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import regex

from lilm.train.tokenizer.scripts import SHARED
from lilm.vocabulary.byte_level import piece_bytes, written

Merge = tuple[str, str]
BEYOND = r"[\U0001d400-\U0001d7ff\U0001f000-\U0001fbff]"


@dataclass(frozen=True)
class EnglishBytes:
    """Parts of characters that English may hold. beginnings: first bytes. insides: bytes after the first."""

    beginnings: frozenset[bytes]
    insides: frozenset[bytes]

    @staticmethod
    def beside(learnable: "regex.Pattern[str]") -> "EnglishBytes":
        """Returns the characters of Latin and all signs of no script of their own, but those that new pieces may hold.
        Beyond U+FFFF only mathematical letters and emoji: the rest is notation that few have seen."""
        pattern = regex.compile(rf"[[[{SHARED}||\p{{sc=Zyyy}}||\p{{sc=Zinh}}]&&[\u0000-\uffff]]||{BEYOND}]", regex.V1)
        every = "".join(map(chr, (*range(0x80, 0xD800), *range(0xE000, 0x110000))))
        forms = [char.encode() for char in pattern.findall(every) if not learnable.match(char)]
        beginnings = {form[:size] for form in forms for size in range(1, len(form))}
        insides = {
            form[begin:end] for form in forms for begin in range(1, len(form)) for end in range(begin, len(form) + 1)
        }
        return EnglishBytes(frozenset(beginnings), frozenset(insides))

    def may_hold(self, data: bytes) -> bool:
        """Whether `data`, part of one character, may stand in English."""
        return data in self.beginnings or data in self.insides


def character_merges(
    characters: Iterable[str], base: Any, english: EnglishBytes
) -> tuple[dict[str, None], dict[Merge, None], list[str]]:
    """(new pieces, merges, characters left to bytes) that make each character one piece after the base's own merges.

    base: its bare model. Both are in order: merges that begin at a character's first byte come first, since those that
    do not could take a byte from them.
    """
    forward: dict[Merge, None] = {}
    backward: dict[Merge, None] = {}
    lost = []
    for char in characters:
        parts = [token.value for token in base.tokenize(written(char))]
        for way, chosen in ((_from_left(parts), forward), (_from_right(parts), backward)):
            if not any(english.may_hold(piece_bytes(left + right)) for left, right in way[:-1]):
                chosen.update(dict.fromkeys(way))
                break
        else:
            lost.append(char)
    merges = {**forward, **backward}
    pieces = {left + right: None for left, right in merges if base.token_to_id(left + right) is None}
    return pieces, merges, lost


def _from_left(parts: list[str]) -> list[Merge]:
    return [("".join(parts[:at]), parts[at]) for at in range(1, len(parts))]


def _from_right(parts: list[str]) -> list[Merge]:
    return [(parts[at], "".join(parts[at + 1 :])) for at in range(len(parts) - 2, -1, -1)]
