"""Chat formats: the base's own template, or the plain one here, turned into tokens in which nobody's words are marks.

A rendered chat is kept as parts, the template's text and the messages' words. Only the former may hold special tokens.
"""

from typing import NamedTuple

Message = dict[str, str]
ROLES = ("system", "user", "assistant")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
"""For a base without a template. Its role marks are plain text, for which an English base needs no new rows. A turn
ends with EOS."""


class Part(NamedTuple):
    """Text of a rendered chat. typed: it is a message's words, in which no special token is looked for."""

    text: str
    typed: bool


def plain_template(adds_bos: bool) -> str:
    """CHAT_TEMPLATE for a tokenizer that puts BOS before a text, or for one that does not.

    transformers leaves BOS to the template; llama.cpp takes it off again where its tokenizer adds one.
    """
    return "{{ bos_token }}" + CHAT_TEMPLATE if adds_bos else CHAT_TEMPLATE
