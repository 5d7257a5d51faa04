"""Which messages of a long chat are read: the system messages and the newest exchanges that fit."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import takewhile

from lilm.chat import Message

LETTERS = 16  # a token of the context; more than any text has, and llama.cpp cuts words in the square of their length


def newest(messages: Sequence[Message], fits: Callable[[Sequence[Message]], bool]) -> Sequence[Message] | None:
    """The messages without as few of the oldest exchanges, questions with all their answers as in
    wasm/runtime/turns.mjs, as must go until the rest `fits`. The system messages at the start stay. None when they and
    the last exchange alone do not fit."""
    if fits(messages):
        return messages
    head = list(takewhile(lambda message: message["role"] == "system", messages))
    starts = [at for at in range(len(head) + 1, len(messages)) if messages[at]["role"] == "user"]
    found = bisect_left(starts, True, key=lambda at: fits([*head, *messages[at:]]))
    return None if found == len(starts) else [*head, *messages[starts[found] :]]


def could_fit(messages: Sequence[Message], n_ctx: int) -> bool:
    """False for what surely has more than `n_ctx` tokens, found without counting them. A message takes one at least."""
    return len(messages) <= n_ctx and sum(len(str(one["content"])) for one in messages) <= LETTERS * n_ctx
