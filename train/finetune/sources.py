"""Chats from files, from the hub, or made by LiLM, all as lists of {role, content}."""

from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from lilm.chat.turns import Turns
from lilm.errors import LilmError
from lilm.recipe import ChatSourceConfig, FinetuneConfig
from lilm.train.corpus.sources.files import globbed
from lilm.train.corpus.sources.hub import first_line, open_dataset
from lilm.train.finetune.entries import Entry, entries
from lilm.train.finetune.messages import Chat
from lilm.train.finetune.reader import LOOKED_AT, ChatReader


def check_chat_source(source: ChatSourceConfig, language: str) -> None:
    """Reads files of chats to their end. Raises LilmError for what is wrong in them, and for a format that has no
    reader here: a package or the language's stories are missing."""
    where = f"finetune.sources {source.name}: {source.path}"
    if source.format == "hub" and find_spec("datasets") is None:
        raise LilmError("format 'hub' needs a package", where=where, remedy="pip install datasets")
    if source.format == "chats":
        next(read_chats(source, language, 0))
    elif source.format != "hub":
        if not chat_files(source):
            raise LilmError("no such file", where=where, remedy="correct the path")
        for _ in read_chats(source, language, 0):
            pass


def check_hub_chats(source: ChatSourceConfig, language: str) -> None:
    """Reads the first records of a dataset. Raises LilmError when it cannot be opened, or none of them is a chat."""
    head = islice(source_entries(source), LOOKED_AT)
    reader = ChatReader(source.model_copy(update={"max_bad": 1.0, "limit": 0}), head, language)
    try:
        for _ in reader:
            pass
    except LilmError:
        if not reader.records or reader.form is None or reader.form.kind != "rows":
            raise  # of messages in rows, the first may well be questions alone


def chat_files(source: ChatSourceConfig) -> list[Path]:
    """The files that `path` names, which may be a glob; none for a source that is no file."""
    return globbed(source.path) if source.path else []


def read_chats(
    source: ChatSourceConfig, language: str, seed: int, left_out: Counter[str] | None = None
) -> Iterator[Chat]:
    """The source's conversations, `limit` at most; what is left out is counted in left_out by what it lacks.

    Raises LilmError as ChatReader does.
    """
    if source.format == "chats":
        yield from _made(source, language, seed)
        return
    reader = open_chats(source, language)
    yield from reader
    if left_out is not None:
        left_out.update(reader.left_out)


def open_chats(source: ChatSourceConfig, language: str, turns: Turns | None = None) -> ChatReader:
    """A reader of the source's files or dataset. turns: of the format that the chats must fit."""
    return ChatReader(source, source_entries(source), language, turns)


def source_entries(source: ChatSourceConfig) -> Iterator[Entry]:
    """The records of the source's files or dataset. Raises LilmError for what cannot be read as a whole."""
    return _hub(source) if source.format == "hub" else _in_files(source)


def find_source(name: str, config: FinetuneConfig) -> ChatSourceConfig:
    """The recipe's source of that name, or that has this file; else the file in the form that it tells.

    Raises LilmError when there is neither.
    """
    named = next((source for source in config.sources if source.name == name), None)
    files = [path.resolve() for path in globbed(str(Path(name).absolute()))]
    if named is not None and not files:
        return named
    if not files:
        names = ", ".join(source.name for source in config.sources) or "none"
        raise LilmError("no such file, and no source of that name", where=name, remedy=f"the recipe's are: {names}")
    for source in config.sources:
        if set(files) <= {path.resolve() for path in chat_files(source)}:
            return source.model_copy(update={"path": str(Path(name).absolute())})
    return ChatSourceConfig(name="file", path=str(Path(name).absolute()))


def _made(source: ChatSourceConfig, language: str, seed: int) -> Iterator[Chat]:
    from lilm.train.stories import chats

    for number, messages in enumerate(chats(source.lang or language, source.limit, seed), start=1):
        yield Chat(messages, f"finetune.sources {source.name}: chat {number}", source.name)


def _in_files(source: ChatSourceConfig) -> Iterator[Entry]:
    for path in chat_files(source):
        yield from entries(path)


def _hub(source: ChatSourceConfig) -> Iterator[Entry]:
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
