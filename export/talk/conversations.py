"""Conversations to compare runtimes on: LiLM's own, with characters and words that break what is careless."""

import random
from collections.abc import Iterator

from lilm.chat import Message
from lilm.train.stories import stories
from lilm.train.stories.chats import chats

LANGUAGES = ("ja", "en")
SYSTEMS = (
    "You answer in one sentence.",
    "短く答えてください。",
    "Du antwortest höflich.\nNie mehr als zwei Sätze.",
    "{}",
)
# Each is put into words at any place, also at their beginning and end.
AWKWARD = (
    "🎉",
    "👩‍👩‍👧‍👦",  # joined by zero width joiners
    "🇯🇵",
    "e\u0301\u0323",  # marks that another order would compose otherwise
    "か\u3099",  # が, in two characters
    "ﾊﾝｶｸ",
    "①㍿",
    "𠮷野家",
    "\u200b",
    "\ufeff",
    "\u202e",
    "\u00a0\u3000",
    "\ufffd",
    "\ue0f0" + "0" + "\ue0f1",  # what templates are given in place of words
    "\x00",
    "\x1b[0m",
    "\t",
    "\r\n",
    "\n\n\n",
    "   ",
    "▁",
    "Ġ",
    "<0x0A>",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "\\n\\u3042",
    '"quoted"',
    "<b>&amp;",
    "1234567890",
    "don't'll",
    "<",
    "|",
    "user\n",
    "[INST]",
)
SHARE_AWKWARD, SHARE_SYSTEM, SHARE_STORY, SHARE_EMPTY = 0.5, 0.3, 0.05, 0.02


def conversations(count: int, seed: int) -> Iterator[list[Message]]:
    """`count` chats of user and assistant in turn, some after a system message, as training reads them: no white space
    around words, no answer empty. The i-th depends on (seed, i) alone."""
    made = [chats(lang, count, seed) for lang in LANGUAGES]
    told = [stories(lang, count, seed) for lang in LANGUAGES]
    for index in range(count):
        rng = random.Random(f"lilm talk {seed} {index}")
        chat = [next(each) for each in made][index % 2]
        story = [next(each) for each in told][index % 2]
        messages = [{**message, "content": _words(message, story, rng)} for message in chat]
        if rng.random() < SHARE_SYSTEM:
            messages.insert(0, {"role": "system", "content": _awkward(rng.choice(SYSTEMS), rng).strip() or "{}"})
        yield messages


def _words(message: Message, story: str, rng: random.Random) -> str:
    text = message["content"]
    if message["role"] == "user" and rng.random() < SHARE_EMPTY:
        return ""
    if rng.random() < SHARE_STORY:
        text += "\n" + story
    return _awkward(text, rng).strip() or text


def _awkward(text: str, rng: random.Random) -> str:
    if rng.random() > SHARE_AWKWARD:
        return text
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.choice((0, len(text), rng.randrange(len(text) + 1)))
        text = text[:at] + rng.choice(AWKWARD) + text[at:]
    return text
