"""A chat template cut into turns: what stands between two messages, found by looking at what the template writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from lilm.chat import Message, Part
from lilm.chat.rendering import (
    MARK,
    REMEDY,
    TemplateFailure,
    padded,
    render_all,
    split_at_marks,
    trimmed,
    trims,
    written,
)

START, PROMPT, END = "start", "prompt", "end"  # what a border may have on its sides beside a role
NAMES = {"s": "system", "u": "user", "a": "assistant"}
SHAPES = ("u", "ua", "uau", "uaua", "uauau", "uauaua")
OPTIONAL = (tuple(f"s{shape}" for shape in SHAPES), ("au", "aua"))  # some take no system message, or no first answer
WORDS = (
    'Hello, "world"! {{ 7 * 7 }} <b> & \\n',
    "はい。\nそうです。",
    " f(x):\n\treturn x ",
    "1 + 1 = 2? Yes",
    "🎉",
    "a",
)


@dataclass(frozen=True)
class Turns:
    """borders: the template's text between two messages by their roles; START, PROMPT (where the answer begins) and END
    are sides too. trimmed: by role, whether spaces go from the left and the right of a message."""

    borders: Mapping[tuple[str, str], str]
    trimmed: Mapping[str, tuple[bool, bool]]

    def takes(self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool) -> bool:
        """Whether there is a place for each message."""
        return all(pair in self.borders for pair in pairwise(_sides(messages, add_generation_prompt)))

    def parts(self, messages: Sequence[Mapping[str, str]], add_generation_prompt: bool) -> list[Part]:
        """Template's text and words by turns, first and last the template's.

        Raises TemplateFailure for an order of roles that the template was not seen to take.
        """
        parts = []
        for at, (left, right) in enumerate(pairwise(_sides(messages, add_generation_prompt))):
            border = self.borders.get((left, right))
            if border is None:
                raise TemplateFailure(
                    f"the chat template has no place for {right!r} after {left!r}",
                    where=f"message {at + 1} of a chat",
                    remedy="let user and assistant take turns, after at most one system message",
                )
            parts.append(Part(border, False))
            if at < len(messages):
                parts.append(Part(trimmed(messages[at]["content"], self.trimmed[messages[at]["role"]]), True))
        return parts


def _sides(messages: Sequence[Mapping[str, str]], add_generation_prompt: bool) -> list[str]:
    return [START, *(message["role"] for message in messages), PROMPT if add_generation_prompt else END]


def cut_template(template: str, tokens: Mapping[str, str], where: str) -> Turns:
    """The turns of a template, which then gives the same text as the template does for every chat.

    tokens: bos_token, eos_token. where: what errors name. Raises TemplateFailure for a template that fails, does not
    end, drops messages, or does not write all turns alike.
    """
    chats = [[NAMES[letter] for letter in shape] for group in (SHAPES, *OPTIONAL) for shape in group]

    def asked(words: Callable[[int], str]) -> list[tuple[list[Message], bool]]:
        filled = [[{"role": role, "content": words(at)} for at, role in enumerate(chat)] for chat in chats]
        return [(messages, messages[-1]["role"] == "user") for messages in filled]

    real = asked(lambda at: WORDS[at % len(WORDS)])
    texts = render_all(template, tokens, [*asked(MARK.format), *asked(padded), *real], where)
    seen = [
        _Seen(_sides(messages, prompt), messages, *texts[at :: len(chats)])
        for at, (messages, prompt) in enumerate(real)
    ]
    found = Turns({}, {})
    for group in (SHAPES, *OPTIONAL):
        looked_at, seen = seen[: len(group)], seen[len(group) :]
        try:
            found = _with_borders(found, looked_at, where)
        except TemplateFailure:
            if group is SHAPES:
                raise
    if not found.borders["user", "assistant"].startswith(found.borders["user", PROMPT]):
        raise _uncut("an answer is asked for otherwise than it is written", where)
    return found


class _Seen(NamedTuple):
    """What a template makes of one chat: with marks for words, with spaces around the marks, and with real words."""

    sides: list[str]
    messages: list[Message]
    marked: str | TemplateFailure
    padded: str | TemplateFailure
    real: str | TemplateFailure


def _with_borders(known: Turns, seen: Sequence[_Seen], where: str) -> Turns:
    """`known` and the borders of these chats. Raises TemplateFailure where one fails or contradicts another."""
    borders, trimmed_roles = dict(known.borders), dict(known.trimmed)
    for sides, messages, *texts in seen:
        *marked, real = (written(text) for text in texts)
        between, spaced = (split_at_marks(text, len(messages), where) for text in marked)
        for (left, right), border in zip(pairwise(sides), between, strict=True):
            if borders.setdefault((left, right), border) != border:
                raise _uncut(f"{border!r} and {borders[left, right]!r} stand between {left} and {right}", where)
        for at, role in enumerate(sides[1:-1]):
            if trimmed_roles.setdefault(role, trims(spaced, at)) != trims(spaced, at):
                raise _uncut(f"it trims some messages of {role}", where)
        parts = Turns(borders, trimmed_roles).parts(messages, sides[-1] == PROMPT)
        if "".join(part.text for part in parts) != real:
            raise _uncut("it changes the words of messages", where)
    return Turns(borders, trimmed_roles)


def _uncut(why: str, where: str) -> TemplateFailure:
    return TemplateFailure(f"the chat template cannot be cut into turns: {why}", where=where, remedy=REMEDY)
