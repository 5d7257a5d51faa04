"""Chats that are kept apart: nothing learns them, and what the model would give their answers measures it."""

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lilm.chat import Message, is_learnt
from lilm.pipeline.hashing import sha256_json
from lilm.progress import Reporter
from lilm.train.finetune.masking import TokenisedChat
from lilm.train.finetune.messages import Chat
from lilm.train.trainer.heldout import BITS
from lilm.train.trainer.measure import Window, text_nats

ANSWERS = f"{BITS}answers"


@dataclass(frozen=True)
class ReadChat:
    """source: number of the source that it was read from. conversation: what must not be split of which it is a part,
    see `conversations`; empty for a whole chat."""

    messages: list[Message]
    tokens: TokenisedChat
    source: int
    conversation: str = ""

    @property
    def answer_bytes(self) -> int:
        """UTF-8 bytes of the answers that are learnt."""
        return sum(len(message["content"].encode()) for message in self.messages if is_learnt(message))


@dataclass(frozen=True)
class Split:
    """repeated: chats that are in neither part, as they begin like one that is held out."""

    learnt: list[ReadChat]
    heldout: list[ReadChat]
    repeated: int


def keep_apart(chats: Sequence[ReadChat], share: float, window: int) -> Split:
    """Holds out at most `share` of each source's chats, of those with at most `window` tokens.

    Chats that begin alike, up to the first answer, are one conversation: when it is held out, none of them is learnt.
    """
    keys = [chat.conversation or beginning(chat.messages) for chat in chats]
    fits = [len(chat.tokens.ids) <= window for chat in chats]
    apart = choose_apart(keys, fits, [chat.source for chat in chats], share)
    learnt = [chat for key, chat in zip(keys, chats, strict=True) if key not in apart]
    return Split(learnt, [chats[at] for at in apart.values()], len(chats) - len(learnt) - len(apart))


def choose_apart(keys: Sequence[str], fits: Sequence[bool], sources: Sequence[int], share: float) -> dict[str, int]:
    """Which keys, hashes of what must not be split, are held out, each with the number of its first item.

    At most `share` of each source's items have one of them, and a first item that is held out fits. Keys that stand
    alone are taken before those of several items, so that what a source says often is still learnt; among equals the
    hash decides, whatever the order.
    """
    alike: dict[str, list[int]] = {}
    for at, key in enumerate(keys):
        alike.setdefault(key, []).append(at)
    room = {source: int(size * share) for source, size in Counter(sources).items()}
    apart: dict[str, int] = {}
    for key in sorted(alike, key=lambda key: (len(alike[key]), key)):
        at = alike[key][0]
        if len(alike[key]) <= room[sources[at]] and fits[at]:
            room[sources[at]] -= len(alike[key])
            apart[key] = at
    return dict(sorted(apart.items()))


def beginning(messages: Sequence[Message]) -> str:
    """The hash of what is said up to the first answer to somebody, whatever its spaces, width and case; the system
    message does not count."""
    said: list[str] = []
    for message in messages:
        if message["role"] != "system":
            said.append(message["role"])
            said.append("".join(unicodedata.normalize("NFKC", message["content"]).casefold().split()))
        if message["role"] == "assistant" and "user" in said[::2]:
            break
    return sha256_json(said)


def conversations(chats: Sequence[Chat]) -> list[str]:
    """For each chat the hash of what must not be split. Those of one message tree share their place and their first
    question, and each answers it otherwise: they are one."""
    places = Counter(chat.where for chat in chats)
    return [beginning(chat.messages if places[chat.where] == 1 else _asked_first(chat.messages)) for chat in chats]


def _asked_first(messages: Sequence[Message]) -> Sequence[Message]:
    asked = next((at for at, message in enumerate(messages) if message["role"] == "user"), len(messages))
    return messages[: asked + 1]


@dataclass(frozen=True)
class HeldOutAnswers:
    """What is measured: the answers of these chats, each with what was said before it in sight."""

    chats: Sequence[ReadChat]
    reporter: Reporter

    @property
    def n_bytes(self) -> int:
        return sum(chat.answer_bytes for chat in self.chats)

    def measure(self, model: Any) -> dict[str, float]:
        """Bits of the answers' tokens, with those that end them, per UTF-8 byte of the answers' text."""
        return {ANSWERS: sum(self.nats(model)) / math.log(2) / self.n_bytes}

    def nats(self, model: Any, what: str = "held-out chats") -> list[float]:
        """Of each chat's answers. what: is measured, for the bar."""
        windows = [Window(number, chat.tokens.ids, chat.tokens.labels[:-1]) for number, chat in enumerate(self.chats)]
        total = sum(len(window.ids) - 1 for window in windows)
        with self.reporter.bar("measure", total) as bar:
            return text_nats(model, windows, len(windows), on_tokens=lambda n: bar.advance(n, f"tokens, {what}"))


def some_of(chats: Sequence[ReadChat], n_bytes: int) -> list[ReadChat]:
    """The first that together have `n_bytes` of answers, or all that there are."""
    taken: list[ReadChat] = []
    for chat in chats:
        if sum(one.answer_bytes for one in taken) >= n_bytes:
            break
        taken.append(chat)
    return taken
