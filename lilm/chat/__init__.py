"""Chat formats: the base's own template, or the plain one here, turned into tokens in which nobody's words are marks.

A rendered chat is kept as parts, the template's text and the messages' words. Only the former may hold special tokens.
"""

from typing import NamedTuple

Message = dict[str, str]
"""role, content, and WEIGHT for an answer that is there to be read and not to be learnt."""
ROLES = ("system", "user", "assistant")
WEIGHT = "weight"  # as in OpenAI's files; its only value here is "0"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ (bos_token or eos_token) + message['role'] + '\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ (bos_token or eos_token) + 'assistant\\n' }}{% endif %}"
)
"""For a base without a template. A turn begins with BOS, or with EOS where there is no BOS, and ends with EOS: every
base has them and needs no new rows, and as special tokens they are what nobody can type. A base without any gets one,
see `lilm.vocabulary.turn_mark`."""


def is_learnt(message: Message) -> bool:
    """Whether it is an answer that teaches."""
    return message["role"] == "assistant" and WEIGHT not in message


class Part(NamedTuple):
    """Text of a rendered chat. typed: it is a message's words, in which no special token is looked for."""

    text: str
    typed: bool
