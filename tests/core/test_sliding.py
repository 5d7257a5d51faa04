"""Which messages of a long chat stay, and where a text ends before a stop text."""

from collections.abc import Sequence

import pytest

from lilm.chat import Message
from lilm.llamacpp.sliding import could_fit, newest
from lilm.llamacpp.stop_text import StopText


def chat(roles: str) -> list[Message]:
    names = {"s": "system", "u": "user", "a": "assistant"}
    return [{"role": names[role], "content": f"{at} letters"} for at, role in enumerate(roles)]


@pytest.mark.parametrize(
    ("roles", "room", "kept"),
    [
        ("suauau", 6, [0, 1, 2, 3, 4, 5]),
        ("suauau", 5, [0, 3, 4, 5]),
        ("suauau", 3, [0, 5]),
        ("suauau", 1, None),
        ("ssuaauau", 5, [0, 1, 5, 6, 7]),
        ("auau", 3, [1, 2, 3]),
        ("u", 0, None),
    ],
)
def test_whole_exchanges_go_from_the_oldest_on(roles: str, room: int, kept: list[int] | None) -> None:
    messages = chat(roles)

    def fits(some: Sequence[Message]) -> bool:
        return len(some) <= room

    assert newest(messages, fits) == (None if kept is None else [messages[at] for at in kept])


def test_a_long_chat_is_shortened_at_once() -> None:
    messages = chat("ua" * 200_000 + "u")
    kept = newest(messages, lambda some: could_fit(some, 100))
    assert kept == messages[-99:]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "stops", "shown"),
    [
        ("one, two, three", ["two"], "one, "),
        ("aaab", ["aab"], "a"),
        ("one STO", ["STOP"], "one STO"),
        ("one", ["", "x"], "one"),
        ("はい。\nいいえ", ["\n", "いいえ"], "はい。"),
        ("abcd", ["cd", "bcd"], "a"),
    ],
)
def test_a_text_ends_before_a_stop_text_however_it_comes(text: str, stops: list[str], shown: str, size: int) -> None:
    watch, said = StopText(stops), ""
    for at in range(0, len(text), size):
        if not watch.found:
            said += watch.add(text[at : at + size])
    said += watch.rest()
    assert said == shown
