"""Answers that are too short or too long, refuse, or break off."""

import re
from functools import cache
from importlib.resources import files

from lilm.train.finetune.checks.material import Found, Material, answers, first_found, small

BEGINNING = 120  # characters in which an answer refuses
FENCE = "```"
PAIRS = (("「", "」"), ("『", "』"), ("（", "）"))
LONG_LINE = 30  # characters of a last line of prose that should end in a mark; headings and list items are shorter
_LETTER_END = re.compile(r"[^\W\d_]$")
_PARTICLE = re.compile("[をが]$")  # others end こと, もの, こんにちは, ように
_STOP = re.compile(r"[。．.!?！？]")
_ITEM = re.compile(r"\s*([-*・•#|>]|\d+[.)）、])")


def length(material: Material) -> Found:
    """Chats with an answer of fewer characters than the recipe's `min_chars`, or of more than `max_chars`."""
    low, high = material.config.min_chars, material.config.max_chars

    def why(question: str, answer: str) -> str:
        return "" if low <= len(answer) <= high else f"an answer of {len(answer)} characters"

    return first_found(material.chats, why)


def refusal(material: Material) -> Found:
    """Chats with an answer that begins by refusing, or by saying that an AI wrote it."""

    def why(question: str, answer: str) -> str:
        found = _refusals().search(small(answer[:BEGINNING]).replace("’", "'"))
        return f"「{found[0]}」" if found else ""

    return first_found(material.chats, why)


def cut_off(material: Material) -> Found:
    """Chats whose last answer breaks off: in a clause, before a bracket or a code block is closed."""
    return {
        number: why
        for number, chat in enumerate(material.chats)
        for answer in answers(chat)[-1:]
        if (why := _break(answer.rstrip()))
    }


def _break(answer: str) -> str:
    if answer.count(FENCE) % 2:
        return "a code block is not closed"
    if FENCE in answer[-4:]:
        return ""
    last = answer.rpartition("\n")[2]
    for opening, closing in PAIRS:
        if last.count(opening) > last.count(closing):
            return f"{opening} is not closed: …{last[-20:]}"
    if last.endswith(("、", "，", ",")):
        return f"ends in a comma: …{last[-20:]}"
    if _ITEM.match(last) or "://" in last or not _LETTER_END.search(last):
        return ""
    if _PARTICLE.search(last):
        return f"ends in a particle: …{last[-20:]}"
    if len(last) >= LONG_LINE and _STOP.search(answer[:-1]):
        return f"the last sentence has no end: …{last[-20:]}"
    return ""


@cache
def _refusals() -> re.Pattern[str]:
    lines = (files(__package__ or "") / "lists" / "refusals.txt").read_text(encoding="utf-8").splitlines()
    words = "|".join(re.escape(word) for line in lines if (word := line.partition("#")[0].strip()))
    return re.compile(f"(?:{words})(?![a-z])")  # "as an ai", not "as an aide"
