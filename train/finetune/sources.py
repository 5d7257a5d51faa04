"""Chats from files, from the hub, or made by LiLM, all as lists of {role, content}."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lilm.chat import Message
from lilm.errors import LilmError
from lilm.recipe import ChatSourceConfig

ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "agent": "assistant",
    "bot": "assistant",
    "system": "system",
}


def check_chat_source(source: ChatSourceConfig) -> None:
    """Raises LilmError when the source's file is missing or empty."""
    if source.path and not Path(source.path).is_file():
        raise LilmError(
            "no such file", where=f"finetune.sources {source.name}: {source.path}", remedy="correct the path"
        )
    if source.path and Path(source.path).stat().st_size == 0:
        raise LilmError(
            "empty file", where=f"finetune.sources {source.name}: {source.path}", remedy="give a file with chats"
        )


def read_chats(source: ChatSourceConfig, language: str, seed: int) -> Iterator[list[Message]]:
    """The source's conversations, `limit` at most. Raises LilmError naming file and line."""
    chats = _all_chats(source, language, seed)
    return islice(chats, source.limit) if source.limit else chats


def _all_chats(source: ChatSourceConfig, language: str, seed: int) -> Iterator[list[Message]]:
    if source.format == "chats":
        from lilm.train.stories import chats

        yield from chats(language, source.limit, seed)
    elif source.format == "hub":
        yield from _hub(source)
    elif source.format == "sharegpt":
        for number, entry in enumerate(_json(Path(source.path)), 1):
            yield _messages(entry.get("conversations"), "from", "value", f"{source.path}: entry {number}")
    else:
        keys = ("role", "content") if source.format == "messages" else ("name", "text")
        field = source.field if source.format == "messages" else "utterances"
        for number, entry in _json_lines(Path(source.path)):
            yield _messages(entry.get(field), *keys, f"{source.path}:{number}")


def _hub(source: ChatSourceConfig) -> Iterator[list[Message]]:
    from datasets import load_dataset

    for number, entry in enumerate(load_dataset(source.repo, split=source.split, streaming=True), 1):
        value = entry.get(source.field)
        first = value[0] if isinstance(value, list) and value else {}
        keys = ("from", "value") if "from" in first else ("role", "content")
        yield _messages(value, *keys, f"{source.repo}: entry {number}")


def _json(path: Path) -> list[dict[str, Any]]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LilmError(f"not JSON ({error})", where=str(path), remedy="mend the file") from error
    if not isinstance(value, list):
        raise LilmError("not a list of conversations", where=str(path), remedy="ShareGPT files are one JSON list")
    return value


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
            except ValueError as error:
                raise LilmError(f"not JSON ({error})", where=f"{path}:{number}", remedy="mend that line") from error
            if not isinstance(entry, dict):
                raise LilmError("not a JSON object", where=f"{path}:{number}", remedy="mend that line")
            yield number, entry


def _messages(value: Any, role_key: str, text_key: str, where: str) -> list[Message]:
    """[{role, content}] of one conversation, whatever its keys are called; it ends with an assistant's turn.

    What one role says in several messages is one turn of several lines.
    """
    if not isinstance(value, list):
        raise LilmError("no list of messages", where=where, remedy="set `field` to the key that holds them")
    messages: list[Message] = []
    for item in value:
        role = ROLES.get(str(item.get(role_key)))
        text = item.get(text_key)
        if role is None or not isinstance(text, str):
            raise LilmError(
                f"a message with {role_key}={item.get(role_key)!r}",
                where=where,
                remedy=f"{role_key} is one of {', '.join(ROLES)}, and {text_key} is a string",
            )
        if messages and messages[-1]["role"] == role:
            text = messages.pop()["content"] + "\n" + text
        messages.append({"role": role, "content": text.strip()})
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()
    return messages
