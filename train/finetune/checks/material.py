"""What the rules look at, and what they answer."""

import unicodedata
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from lilm.chat import is_learnt
from lilm.recipe import ChecksConfig
from lilm.train.finetune.messages import Chat

Found = dict[int, str]
"""Number of a chat -> why the rule found it."""


@dataclass(frozen=True)
class Material:
    """languages: what language the answers of each chat are in, and how sure that is, from 0 to 1. language: to learn;
    base_language: the base's own."""

    chats: Sequence[Chat]
    languages: Sequence[tuple[str, float]]
    config: ChecksConfig
    language: str
    base_language: str

    def without(self, found: Container[int]) -> "Material":
        """What is left when the chats of these numbers are dropped."""
        left = [number for number in range(len(self.chats)) if number not in found]
        return replace(self, chats=[self.chats[at] for at in left], languages=[self.languages[at] for at in left])


Rule = Callable[[Material], Found]


def answers(chat: Chat) -> list[str]:
    """Those that are learnt."""
    return [message["content"] for message in chat.messages if is_learnt(message)]


def questions(chat: Chat) -> list[str]:
    return [message["content"] for message in chat.messages if message["role"] == "user"]


def exchanges(chat: Chat) -> list[tuple[str, str]]:
    """(question, learnt answer) pairs; the question is "" for an answer that comes first."""
    pairs, asked = [], ""
    for message in chat.messages:
        if message["role"] == "assistant":
            pairs += [(asked, message["content"])] if is_learnt(message) else []
            asked = ""
        elif message["role"] == "user":
            asked = message["content"]
    return pairs


def small(text: str) -> str:
    """NFKC, small letters: what word lists are written in."""
    return unicodedata.normalize("NFKC", text).casefold()


def first_found(chats: Sequence[Chat], why: Callable[[str, str], str]) -> Found:
    """Chats with an answer for which `why(question, answer)` says something: what it says of the first."""
    found: Found = {}
    for number, chat in enumerate(chats):
        said = next((said for pair in exchanges(chat) if (said := why(*pair))), "")
        if said:
            found[number] = said
    return found
