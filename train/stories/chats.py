"""Chats of one to three turns, put together from single questions and answers."""

import random
from collections.abc import Callable, Iterator

from lilm.errors import LilmError
from lilm.train.stories import chats_english, chats_japanese

Message = dict[str, str]
_LANGUAGES = {"ja": chats_japanese, "en": chats_english}
# How often each of a language's KINDS is asked.
_WEIGHTS = (4, 4, 2, 1, 1, 2, 6, 4, 5)
# How often a chat has one, two, three turns.
_TURNS = (1, 1, 1, 2, 2, 3)


def chats(lang: str, count: int, seed: int) -> Iterator[list[Message]]:
    """`count` chats in `lang` ("ja" or "en") as messages with the roles user and assistant in turn.

    The i-th chat depends on (lang, seed, i) alone. Raises LilmError for another language.
    """
    if lang not in _LANGUAGES:
        raise LilmError(f"no chats in '{lang}'", where="stories", remedy=f"use one of {', '.join(_LANGUAGES)}")
    return (_chat(lang, seed, index) for index in range(count))


def _chat(lang: str, seed: int, index: int) -> list[Message]:
    rng = random.Random(f"lilm chat {lang} {seed} {index}")
    language = _LANGUAGES[lang]
    kinds: tuple[Callable[[random.Random], tuple[str, str]], ...] = language.KINDS
    turns = rng.choice(_TURNS)
    pairs: list[tuple[str, str]] = []
    if turns > 1 and rng.random() < 0.3:
        pairs.append(language.greeting(rng))
    while len(pairs) < turns:
        pair = rng.choices(kinds, _WEIGHTS)[0](rng)
        if pair[0] not in [asked for asked, _ in pairs]:
            pairs.append(pair)
    return [
        message
        for asked, answer in pairs
        for message in ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})
    ]
