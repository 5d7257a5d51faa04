"""Whether a chat's messages come in an order that a chat format has places for."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile

from lilm.chat import Message
from lilm.chat.turns import START, Turns
from lilm.errors import LilmError

EARLY = "answers before the first question"


def fitting(messages: Sequence[Message], turns: Turns, where: str, left_out: Counter[str]) -> list[Message]:
    """The messages, without answers before the first question where the format has no place for them, which are
    counted. Raises LilmError naming `where` for another order that the format does not take."""
    if turns.takes(messages, add_generation_prompt=False):
        return list(messages)
    system = list(takewhile(lambda message: message["role"] == "system", messages))
    asked = next((at for at, message in enumerate(messages) if message["role"] == "user"), len(messages))
    shorter = [*system, *messages[asked:]]
    if asked > len(system) and turns.takes(shorter, add_generation_prompt=False):
        left_out[EARLY] += asked - len(system)
        return shorter
    check_order(turns, messages, where)
    return list(messages)


def check_order(turns: Turns, chat: Iterable[Message], where: str) -> None:
    """Raises LilmError when the format has no place for one of the chat's messages."""
    left = START
    for message in chat:
        if (left, message["role"]) not in turns.borders:
            raise LilmError(
                f"a message of {message['role']} after {left}, for which the chat template has no place",
                where=where,
                remedy='mend the chat, or set finetune.template = "plain"',
            )
        left = message["role"]
