"""Prompts for `lilm generate`: lines of text, or JSON Lines."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.chat import Message
from lilm.chat.rendering import well_formed
from lilm.disk import read_utf8
from lilm.errors import LilmError
from lilm.llamacpp.messages import checked_messages

JSON_LINES = (".jsonl", ".ndjson")
KEYS = ("id", "prompt", "messages")
AS = 'write {"prompt": a text} or {"messages": [{"role", "content"}, …]}, each with an "id" if you like'


@dataclass(frozen=True)
class Prompt:
    """asked: a text to go on from, or a chat to answer. given: what of its record is written beside the text."""

    asked: str | list[Message]
    given: dict[str, Any]


def read_prompts(path: Path, chat: bool = False, system: str = "") -> list[Prompt]:
    """Of a file in UTF-8: a prompt a line, blank lines left out, or JSON Lines by its name (.jsonl, .ndjson).

    chat: prompts are questions to a chat model, after `system` if there is one. Raises LilmError naming the line that
    is none, before anything is made of the others.
    """
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(read_utf8(path).split("\n"), 1) if line.strip()]
    if path.suffix in JSON_LINES:
        prompts = [_of_record(line, f"{path}, line {number}", chat, system) for number, line in lines]
    else:
        prompts = [one_prompt(line, chat, system) for _, line in lines]
    if not prompts:
        raise LilmError("no prompt in it", where=str(path), remedy="write one a line")
    return prompts


def one_prompt(text: str, chat: bool = False, system: str = "") -> Prompt:
    """A text as it is, or as a question in a chat."""
    text = well_formed(text)
    return Prompt(list(_chat_of(text, system)) if chat else text, {"prompt": text})


def _chat_of(text: str, system: str) -> Iterator[Message]:
    if system:
        yield {"role": "system", "content": system}
    yield {"role": "user", "content": text}


def _of_record(line: str, where: str, chat: bool, system: str) -> Prompt:
    try:
        found = json.loads(line)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair could not be written
    except (ValueError, RecursionError) as error:
        raise LilmError(f"not JSON ({error})", where=where, remedy=AS) from error
    if not isinstance(found, dict) or ("prompt" in found) == ("messages" in found):
        raise LilmError("neither a prompt nor messages, or both", where=where, remedy=AS)
    given = {key: found[key] for key in KEYS if key in found}
    if "prompt" in found:
        if not isinstance(found["prompt"], str):
            raise LilmError("its prompt is no text", where=where, remedy=AS)
        return Prompt(one_prompt(found["prompt"], chat, system).asked, given)
    messages = checked_messages(found["messages"], where)
    if not messages or messages[-1]["role"] != "user":
        raise LilmError("the last message is not the user's", where=where, remedy="let it end with a question")
    if system and messages[0]["role"] == "system":
        raise LilmError("it has a system message, and --system gives another", where=where, remedy="leave one out")
    return Prompt([{"role": "system", "content": system}, *messages] if system else messages, given)
