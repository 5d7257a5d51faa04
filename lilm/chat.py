"""The one chat format: the same template in training, GGUF, Gradio and the browser.

Role marks are plain text, not special tokens, so that an English base needs no new rows for them and every
runtime cuts them alike. A turn ends with EOS; BOS is added by the tokenizer, as llama.cpp does.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from lilm.errors import LilmError

if TYPE_CHECKING:
    from jinja2 import Template

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)

ROLES = ("system", "user", "assistant")


@cache
def _template() -> "Template":
    """Compiled with the settings of transformers' `apply_chat_template`."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(CHAT_TEMPLATE)


def render(messages: Sequence[Mapping[str, str]], add_generation_prompt: bool, eos_token: str = "</s>") -> str:  # noqa: S107
    """The text of a chat of {role, content} messages; with add_generation_prompt it ends where the answer begins.

    Tokenise it with special tokens parsed and BOS added. Raises LilmError for an unknown role.

    >>> render([{"role": "user", "content": "こんにちは"}], add_generation_prompt=True)
    '<|user|>\\nこんにちは</s>\\n<|assistant|>\\n'
    """
    for message in messages:
        if message["role"] not in ROLES:
            raise LilmError(f"unknown role {message['role']!r} in a chat", remedy="use one of: " + ", ".join(ROLES))
    return _template().render(messages=messages, add_generation_prompt=add_generation_prompt, eos_token=eos_token)
