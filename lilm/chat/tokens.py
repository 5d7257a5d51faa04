"""Parts of a rendered chat to token ids: the same ids as those of the whole text, but for words that look like tokens.

A tokenizer cuts a text at its special tokens and encodes what is between them. Here the cutting is done first, in the
template's text alone, and each stretch between is then encoded without any special token being looked for.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lilm.chat import Part


@dataclass(frozen=True)
class ChatVocabulary:
    """control: ids of the special tokens by their text. bos_id: what the tokenizer puts before a text, None for
    nothing. encode: ids of a text in which no special token is looked for, with nothing put before it."""

    control: Mapping[str, int]
    bos_id: int | None
    encode: Callable[[str], list[int]]

    def ids(self, parts: Iterable[Part]) -> list[int]:
        """BOS, if there is one, and the chat. A BOS that the template writes as well stands there once, also after
        white space, which transformers keeps before it."""
        parts = joined(parts)
        found = self._encoded(parts)
        if self.bos_id is None:
            return found
        opening = self._encoded(Part(part.text.lstrip(), False) for part in parts[:1] if not part.typed)
        return found if opening[:1] == [self.bos_id] else [self.bos_id, *found]

    def _encoded(self, parts: Iterable[Part]) -> list[int]:
        found: list[int] = []
        for stretch in stretches(parts, self.control):
            found += self.encode(stretch) if isinstance(stretch, str) else [stretch]
        return found


def stretches(parts: Iterable[Part], control: Mapping[str, int]) -> list[str | int]:
    """Texts, and the ids of special tokens between them.

    >>> stretches([Part("<s>you: ", False), Part("a<s>b", True)], {"<s>": 1})
    [1, 'you: a<s>b']
    """
    found: list[str | int] = []

    def add(text: str) -> None:
        if found and isinstance(found[-1], str):
            text = f"{found.pop()}{text}"
        if text:
            found.append(text)

    pattern = _pattern(control)
    for text, typed in joined(parts):
        if typed or pattern is None:
            add(text)
            continue
        at = 0
        for match in pattern.finditer(text):
            add(text[at : match.start()])
            found.append(control[match[0]])
            at = match.end()
        add(text[at:])
    return found


def joined(parts: Iterable[Part]) -> list[Part]:
    """The parts without empty ones, neighbours of one kind as one: a token may reach over them."""
    found: list[Part] = []
    for part in parts:
        if found and found[-1].typed == part.typed:
            part = Part(found.pop().text + part.text, part.typed)
        if part.text:
            found.append(part)
    return found


def first_control(text: str, control: Iterable[str]) -> tuple[str, int] | None:
    """The first special token in a template's text, and where it ends."""
    pattern = _pattern(control)
    match = pattern.search(text) if pattern else None
    return (match[0], match.end()) if match else None


def _pattern(control: Iterable[str]) -> re.Pattern[str] | None:
    """Matches special tokens, of those that begin at one place the longest."""
    names = sorted(control, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, names))) if names else None
