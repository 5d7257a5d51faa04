"""Pairs of answers of which one is preferred, as a file has them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.chat import Message
from lilm.errors import LilmError
from lilm.train.finetune.entries import entries
from lilm.train.finetune.messages import shown, to_messages

REMEDY = "give `chosen` and `rejected`, texts or lists of messages, beside `prompt` or `messages`"


@dataclass(frozen=True)
class Pair:
    """Two whole chats that differ in their last answer. where: file and line, for errors."""

    chosen: list[Message]
    rejected: list[Message]
    where: str

    @property
    def asked(self) -> list[Message]:
        return self.chosen[:-1]


def read_pairs(path: Path, left_out: Counter[str] | None = None) -> Iterator[Pair]:
    """Those that teach nothing are counted in left_out by what they lack.

    Raises LilmError naming file and line, and when there is no pair at all.
    """
    missing: Counter[str] = Counter() if left_out is None else left_out
    where = f"finetune.preference.path {path}"
    if not path.is_file():
        raise LilmError("no such file", where=where, remedy="correct the path")
    found = 0
    for one in entries(path):
        if isinstance(one, LilmError):
            raise one
        place, entry = one
        chosen, rejected = (_chat(entry, key, place, missing) for key in ("chosen", "rejected"))
        if not chosen or not rejected:
            continue
        if chosen[:-1] != rejected[:-1]:
            missing["pairs whose answers follow different words"] += 1
        elif chosen == rejected:
            missing["pairs of one answer twice"] += 1
        else:
            found += 1
            yield Pair(chosen, rejected, place)
    if not found:
        why = ", ".join(f"{count} {what}" for what, count in missing.items())
        raise LilmError("no pair in it" + (f" to learn from ({why})" if why else ""), where=where, remedy=REMEDY)


def _chat(entry: Mapping[str, Any], key: str, where: str, left_out: Counter[str]) -> list[Message]:
    """What was asked, and the answer: a text, or a message in a list; a longer list is the whole chat."""
    asked, answer = entry.get("messages", entry.get("prompt")), entry.get(key)
    if isinstance(asked, str):
        asked = [{"role": "user", "content": asked}]
    if isinstance(answer, str):
        answer = [{"role": "assistant", "content": answer}]
    if not isinstance(answer, list) or not answer:
        raise LilmError(f"no {key!r} but {shown(answer)}", where=where, remedy=REMEDY)
    if len(answer) == 1:
        if not isinstance(asked, list):
            raise LilmError(f"no prompt but {shown(asked)}", where=where, remedy=REMEDY)
        answer = [*asked, *answer]
    keys = ("from", "value") if isinstance(answer[0], dict) and "from" in answer[0] else ("role", "content")
    messages = to_messages(answer, *keys, where, left_out)
    if messages and len(messages) < 2:
        raise LilmError("an answer to nothing", where=where, remedy=REMEDY)
    return messages
