"""Chats from files, from the hub, or made by LiLM, all as lists of {role, content}."""

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.recipe import ChatSourceConfig
from lilm.train.corpus.sources.hub import first_line, open_dataset
from lilm.train.finetune.entries import entries
from lilm.train.finetune.messages import Chat, shown, to_messages

KEYS = {  # format -> key of the messages, and of a message's role and text
    "messages": ("", "role", "content"),
    "utterances": ("utterances", "name", "text"),
    "sharegpt": ("conversations", "from", "value"),
}


def check_chat_source(source: ChatSourceConfig, language: str) -> None:
    """Reads a file of chats to its end. Raises LilmError for what is wrong in it, and for a format that has no reader
    here: a package or the language's stories are missing."""
    where = f"finetune.sources {source.name}: {source.path}"
    if source.format == "hub" and find_spec("datasets") is None:
        raise LilmError("format 'hub' needs a package", where=where, remedy="pip install datasets")
    if source.format == "chats":
        next(read_chats(source, language, 0))
    if not source.path or source.format in ("hub", "chats"):
        return
    if not Path(source.path).is_file():
        raise LilmError("no such file", where=where, remedy="correct the path")
    for _ in read_chats(source, language, 0):
        pass


def read_chats(
    source: ChatSourceConfig, language: str, seed: int, left_out: Counter[str] | None = None
) -> Iterator[Chat]:
    """The source's conversations, `limit` at most; those that teach nothing are counted in left_out by what they lack.

    Raises LilmError naming file and line, and when there is no chat at all.
    """
    missing: Counter[str] = Counter() if left_out is None else left_out
    chats = (chat for chat in _all_chats(source, language, seed, missing) if chat.messages)
    found = 0
    for chat in islice(chats, source.limit or None):
        found += 1
        yield chat
    if not found:
        why = ", ".join(f"{count} {what}" for what, count in missing.items())
        raise LilmError(
            "no chat in it" + (f" to learn from ({why})" if why else ""),
            where=source.path or f"finetune.sources {source.name}",
            remedy="give a file with chats in which an assistant answers",
        )


def _all_chats(source: ChatSourceConfig, language: str, seed: int, left_out: Counter[str]) -> Iterator[Chat]:
    if source.format == "chats":
        from lilm.train.stories import chats

        for number, messages in enumerate(chats(language, source.limit, seed), start=1):
            yield Chat(messages, f"finetune.sources {source.name}: chat {number}")
    elif source.format == "hub":
        for where, entry in _hub(source):
            value = entry.get(source.field)
            first = value[0] if isinstance(value, list) and value else None
            keys = ("from", "value") if isinstance(first, dict) and "from" in first else ("role", "content")
            yield Chat(to_messages(_conversation(entry, source.field, *keys, where), *keys, where, left_out), where)
    else:
        field, role_key, text_key = KEYS[source.format]
        for where, entry in entries(Path(source.path)):
            messages = _conversation(entry, field or source.field, role_key, text_key, where)
            yield Chat(to_messages(messages, role_key, text_key, where, left_out), where)


def _conversation(entry: Mapping[str, Any], field: str, role_key: str, text_key: str, where: str) -> Any:
    """The entry's list of messages, after the system message that ShareGPT keeps beside it; Alpaca's keys as such a
    list. Raises LilmError for an entry without any."""
    messages, system = entry.get(field), entry.get("system")
    if field not in entry and isinstance(entry.get("instruction"), str) and "output" in entry:
        given = entry.get("input") or ""
        if not isinstance(given, str):
            raise LilmError(f"an input that is {shown(given)}", where=where, remedy="input is a string, or left out")
        question = "\n".join(text for text in (entry["instruction"], given) if text)
        messages = [{role_key: "user", text_key: question}, {role_key: "assistant", text_key: entry["output"]}]
    elif field not in entry:
        raise LilmError(
            f"no {field!r} in it (found {shown(', '.join(entry))})",
            where=where,
            remedy="set the `format` that the file has; for messages and hub also `field`",
        )
    if isinstance(messages, list) and system is not None:
        return [{role_key: "system", text_key: system}, *messages]
    return messages


def _hub(source: ChatSourceConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    from datasets.exceptions import DatasetsError

    where, number = f"hub dataset {source.repo}", 0
    rows = open_dataset(source.repo, "", source.split)
    try:
        for number, entry in enumerate(rows, start=1):
            yield f"{where}: entry {number}", entry
    except (OSError, ValueError, DatasetsError) as error:
        raise LilmError(
            f"broken off after entry {number} ({first_line(error)})", where=where, remedy="run again"
        ) from error
