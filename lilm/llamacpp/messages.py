"""A chat as JSON: {"messages": [{"role", "content"}, …]}."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lilm.chat import ROLES, Message
from lilm.errors import LilmError


def chat_json(messages: Sequence[Mapping[str, str]]) -> str:
    """One chat as JSON. Half a surrogate pair, which no file can hold, becomes a question mark."""
    text = json.dumps({"messages": list(messages)}, ensure_ascii=False, indent=1)
    return text.encode(errors="replace").decode()


def checked_messages(found: Any, where: str) -> list[Message]:
    """The messages of a chat that somebody else wrote. Raises LilmError naming the first that is none."""
    if not isinstance(found, list):
        raise LilmError('no list of "messages"', where=where, remedy='write {"messages": [{"role", "content"}, …]}')
    messages = []
    for number, one in enumerate(found, 1):
        role, content = (one.get("role"), one.get("content")) if isinstance(one, dict) else (None, None)
        if role not in ROLES or not isinstance(content, str):
            remedy = f'write {{"role": {" or ".join(ROLES)}, "content": a text}}'
            raise LilmError(f"message {number} is none", where=where, remedy=remedy)
        messages.append({"role": role, "content": content})
    return messages


def system_and_turns(found: Any, where: str) -> tuple[str, list[Message]]:
    """A chat that somebody else wrote as (system message or "", the rest). Raises LilmError for what is none."""
    messages = checked_messages(found, where)
    first = bool(messages) and messages[0]["role"] == "system"
    if any(message["role"] == "system" for message in messages[first:]):
        raise LilmError("a system message that is not the first", where=where, remedy="take it out")
    return messages[0]["content"] if first else "", messages[first:]
