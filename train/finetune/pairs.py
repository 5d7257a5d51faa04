"""Pairs of answers of which one is preferred, as a file has them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.chat import Message
from lilm.chat.turns import Turns
from lilm.errors import LilmError
from lilm.train.finetune.entries import Entry, entries
from lilm.train.finetune.forms import system_of
from lilm.train.finetune.messages import role_of, shown, to_messages
from lilm.train.finetune.misfits import Misfits
from lilm.train.finetune.order import check_order

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


class PairReader:
    """Iterates over the pairs in a file.

    max_bad: greatest share of the records that may not fit; 0: the first one ends it. turns: of the chat format that
    they must fit; None: any order of roles does. records: how many were read. bad: the first of those that do not fit.
    left_out: what is no pair to learn from, by what it lacks.
    Iterating raises LilmError for what cannot be read, for more than `max_bad` of the records that do not fit, and when
    there is no pair at all.
    """

    def __init__(self, path: Path, max_bad: float = 0.0, turns: Turns | None = None) -> None:
        self._path, self._turns = path, turns
        self._misfits = Misfits(max_bad, "finetune.preference.max_bad")
        self.bad, self.left_out = self._misfits.bad, self._misfits.left_out

    @property
    def records(self) -> int:
        return self._misfits.records

    def __iter__(self) -> Iterator[Pair]:
        where = f"finetune.preference.path {self._path}"
        if not self._path.is_file():
            raise LilmError("no such file", where=where, remedy="correct the path")
        found = 0
        for entry in entries(self._path):
            self._misfits.records += 1
            try:
                pair = self._of_entry(entry)
            except LilmError as error:
                self._misfits.refuse(error)
                continue
            if pair is not None:
                found += 1
                yield pair
        self._misfits.judge()
        if not found:
            raise self._misfits.nothing("pair", where, REMEDY)

    def _of_entry(self, entry: Entry) -> Pair | None:
        """None where it teaches nothing. Raises LilmError when it does not fit."""
        if isinstance(entry, LilmError):
            raise entry
        where, record = entry
        answers = [_answer(record, key, where) for key in ("chosen", "rejected")]
        asked = _asked(record, answers[0])
        if _ends_answered(asked) and any(_turn(answer[0])[0] == "assistant" for answer in answers):
            self.left_out["pairs whose prompt ends in an answer"] += 1
            return None
        counts: tuple[Counter[str], ...] = Counter(), Counter()
        chosen, rejected = (
            _chat(system_of(record), asked, answer, where, count) for answer, count in zip(answers, counts, strict=True)
        )
        if chosen and self._turns is not None:
            check_order(self._turns, chosen, where)
        self.left_out.update(counts[0] | counts[1])  # what both say before their answers counts once
        if not chosen or not rejected:
            return None
        if chosen[:-1] != rejected[:-1]:
            self.left_out["pairs whose answers follow different words"] += 1
        elif chosen == rejected:
            self.left_out["pairs of one answer twice"] += 1
        else:
            return Pair(chosen, rejected, where)
        return None


def _answer(entry: Mapping[str, Any], key: str, where: str) -> list[Any]:
    """An answer as messages: one, or, of more, the whole chat."""
    answer = entry.get(key)
    if isinstance(answer, str):
        return [{"role": "assistant", "content": answer}]
    if not isinstance(answer, list) or not answer:
        raise LilmError(f"no {key!r} but {shown(answer)}", where=where, remedy=REMEDY)
    return answer


def _asked(entry: Mapping[str, Any], chosen: Sequence[Any]) -> Any:
    """What should be a list of messages: `messages`, or `prompt` where those are missing or end in another answer than
    the chosen one, which may stand there too."""
    found: list[Any] = []
    asked: Any
    for asked in (entry.get("messages"), entry.get("prompt")):
        if isinstance(asked, str):
            asked = [{"role": "user", "content": asked}]
        if _ends_answered(asked) and _words(asked[-1]) == _words(chosen[-1]):
            asked = asked[:-1]
        found += [] if asked is None else [asked]
    return next((asked for asked in found if not _ends_answered(asked)), found[0] if found else None)


def _ends_answered(asked: Any) -> bool:
    return isinstance(asked, list) and bool(asked) and _turn(asked[-1])[0] == "assistant"


def _turn(message: Any) -> tuple[str | None, str | None]:
    """(role, words) of what should be a message."""
    role = message.get("role", message.get("from")) if isinstance(message, dict) else None
    return role_of(role), _words(message)


def _words(message: Any) -> str | None:
    text = message.get("content", message.get("value")) if isinstance(message, dict) else None
    return text.strip() if isinstance(text, str) else None


def _whole(asked: Any, answer: list[Any], where: str) -> list[Any]:
    """The chat up to the answer's end. The answer may be what comes after `asked`, or repeat the end of it, or all."""
    if not isinstance(asked, list):
        if len(answer) == 1:
            raise LilmError(f"no prompt but {shown(asked)}", where=where, remedy=REMEDY)
        return answer
    said, begun = [_turn(message) for message in asked], [_turn(message) for message in answer]
    sizes = range(min(len(said), len(begun) - 1), 0, -1)
    if again := next((size for size in sizes if said[-size:] == begun[:size]), 0):
        return [*asked[:-again], *answer]
    role, last = begun[0][0], said[-1][0] if said else None
    goes_on = len(answer) == 1 or role == "assistant" or (role == "user" and last == "system")
    return [*asked, *answer] if goes_on else answer


def _chat(system: Any, asked: Any, answer: list[Any], where: str, left_out: Counter[str]) -> list[Message]:
    """What was asked, after the system message that may stand beside it, and the answer."""
    answer = _whole(asked, answer, where)
    keys = ("from", "value") if isinstance(answer[0], dict) and "from" in answer[0] else ("role", "content")
    first = dict(zip(keys, ("system", system), strict=True))
    if system is not None and answer[0] != first:
        answer = [first, *answer]
    messages = to_messages(answer, *keys, where, left_out)
    if messages and all(message["role"] == "system" for message in messages[:-1]):
        raise LilmError("an answer to nothing", where=where, remedy=REMEDY)
    return messages
