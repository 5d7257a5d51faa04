"""A conversation as a file has it, whatever its keys are called, as messages of {role, content}."""

from collections import Counter
from typing import Any, NamedTuple

from lilm.chat import Message
from lilm.errors import LilmError

ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "agent": "assistant",
    "bot": "assistant",
    "system": "system",
}
LONGEST = 1_000_000  # characters of a chat; a longer one fits into no window, and takes gigabytes to tokenise
SHOWN = 60  # characters of what was found


class Chat(NamedTuple):
    """where: file and line, or entry, for errors."""

    messages: list[Message]
    where: str


def to_messages(value: Any, role_key: str, text_key: str, where: str, left_out: Counter[str]) -> list[Message]:
    """The messages of one conversation up to its last answer; none, counted in left_out, when nothing can be learnt.

    What one role says in several messages is one turn of several lines. An empty answer ends the conversation.
    Raises LilmError naming `where`.
    """
    if not isinstance(value, list):
        raise LilmError(
            f"no list of messages but {shown(value)}", where=where, remedy="mend it, or set another `field` or `format`"
        )
    messages: list[Message] = []
    for item in value:
        role, text = _turn(item, role_key, text_key, where)
        if messages and messages[-1]["role"] == role:
            text = messages.pop()["content"] + "\n" + text
        messages.append({"role": role, "content": text.strip()})
    answered = any(message["role"] == "assistant" for message in messages)
    empty = next((at for at, one in enumerate(messages) if one["role"] == "assistant" and not one["content"]), None)
    messages = [message for message in messages[:empty] if message["content"] or message["role"] != "system"]
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()
    if not answered:
        left_out["chats without an assistant's turn"] += 1
    elif empty is not None:
        left_out["empty answers"] += 1
    if sum(len(message["content"]) for message in messages) > LONGEST:
        left_out[f"chats of more than {LONGEST} characters"] += 1
        return []
    return messages


def _turn(item: Any, role_key: str, text_key: str, where: str) -> tuple[str, str]:
    """(role, text) of a message."""
    remedy = f"{role_key} is one of {', '.join(ROLES)}, and {text_key} is a string"
    if not isinstance(item, dict):
        raise LilmError(f"a message that is {shown(item)}, not an object", where=where, remedy=remedy)
    role = ROLES.get(str(item.get(role_key)))
    text = _text(item.get(text_key))
    if role is None:
        raise LilmError(f"a message with {role_key}={shown(item.get(role_key))}", where=where, remedy=remedy)
    if text is None:
        raise LilmError(f"a message with {text_key}={shown(item.get(text_key))}", where=where, remedy=remedy)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LilmError(
            f"half a surrogate pair at character {error.start} of a message", where=where, remedy="mend or delete it"
        ) from error
    return role, text


def _text(content: Any) -> str | None:
    """A message's text, out of parts of text too; None when it has none, or something else beside it."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") == "text"]
        texts = [str(part["text"]) for part in parts if isinstance(part.get("text"), str)]
        return "\n".join(texts) if texts and len(texts) == len(content) else None
    return content if isinstance(content, str) else None


def shown(value: Any) -> str:
    """What was found, short enough for a message."""
    text = repr(value)[: SHOWN + 1]
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
