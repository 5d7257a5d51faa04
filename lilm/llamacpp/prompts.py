"""Prompts for `lilm generate`: lines of text, JSON Lines, or JSON."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilm.chat import Message
from lilm.chat.rendering import well_formed
from lilm.disk import read_utf8
from lilm.errors import LilmError
from lilm.llamacpp.messages import checked_messages

JSON, JSON_LINES = ".json", (".jsonl", ".ndjson")
STDIN = "-"
KEYS = ("id", "prompt", "messages")
AS = 'write {"prompt": a text} or {"messages": [{"role", "content"}, …]}, each with an "id" if you like'


@dataclass(frozen=True)
class Prompt:
    """asked: a text to go on from, or a chat to answer. given: what of its record is written beside the text."""

    asked: str | list[Message]
    given: dict[str, Any]


def read_prompts(path: Path, chat: bool = False, system: str = "") -> list[Prompt]:
    """Of a file in UTF-8: a prompt a line, blank lines left out, or by its name JSON Lines (.jsonl, .ndjson), or JSON
    (.json): one record, as a saved chat is, or a list of them; or lines, as some call them too. "-": a prompt a line of
    the standard input.

    chat: prompts are questions to a chat model, after `system` if there is one. Raises LilmError naming the line that
    is none, before anything is made of the others.
    """
    text, kind = (_standard_input(), "") if str(path) == STDIN else (read_utf8(path), path.suffix.lower())
    lines = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if kind in (JSON, *JSON_LINES):
        records = _whole(text, path) if kind == JSON else None
        if records is None:
            places = [(f"{path}, line {number}", line) for number, line in lines]
            records = [(where, _parsed(line, where)) for where, line in places]
        prompts = [_of_record(record, where, chat, system) for where, record in records]
    else:
        prompts = [one_prompt(line, chat, system) for _, line in lines]
    if not prompts:
        raise LilmError("no prompt in it", where=str(path), remedy="write one a line")
    return prompts


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LilmError(f"not UTF-8 (byte {error.start})", where="standard input", remedy="give it as UTF-8") from error


def _whole(text: str, path: Path) -> list[tuple[str, Any]] | None:
    """(where it stands, what should be a record) of a file that is one JSON value; None for another."""
    try:
        found = _parsed(text, str(path))
    except LilmError:
        return None
    if isinstance(found, list):
        return [(f"{path}, entry {number}", one) for number, one in enumerate(found, 1)]
    return [(str(path), found)]


def one_prompt(text: str, chat: bool = False, system: str = "") -> Prompt:
    """A text as it is, or as a question in a chat."""
    text = well_formed(text)
    return Prompt(list(_chat_of(text, system)) if chat else text, {"prompt": text})


def _chat_of(text: str, system: str) -> Iterator[Message]:
    if system:
        yield {"role": "system", "content": system}
    yield {"role": "user", "content": text}


def _parsed(text: str, where: str) -> Any:
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair could not be written
    except (ValueError, RecursionError) as error:
        raise LilmError(f"not JSON ({error})", where=where, remedy=AS) from error
    return found


def _of_record(found: Any, where: str, chat: bool, system: str) -> Prompt:
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
