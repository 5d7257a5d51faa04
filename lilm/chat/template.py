"""Any model's chat template, asked for the parts of a chat."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from lilm.chat import Message, Part
from lilm.chat.rendering import TemplateFailure, rendered_parts, well_formed
from lilm.chat.turns import Turns, cut_template


class ChatTemplate:
    """template: Jinja. tokens: bos_token, eos_token. where: what errors name."""

    def __init__(self, template: str, tokens: Mapping[str, str], where: str) -> None:
        self._template, self._tokens, self._where = template, tokens, where

    @cached_property
    def _turns(self) -> Turns | None:
        """None for a template that has no such turns, which may write a chat all the same."""
        try:
            return cut_template(self._template, self._tokens, self._where)
        except TemplateFailure:
            return None

    def prompt(self, messages: Sequence[Message]) -> list[Part]:
        """The chat up to where the answer begins. Raises TemplateFailure when the template refuses it."""
        messages = [{key: well_formed(value) for key, value in message.items()} for message in messages]
        if self._turns is not None and self._turns.takes(messages, add_generation_prompt=True):
            return self._turns.parts(messages, add_generation_prompt=True)
        return rendered_parts(self._template, self._tokens, messages, self._where)
