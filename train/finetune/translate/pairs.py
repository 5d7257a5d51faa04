"""The chats that are translated, each with its old translation where there is one."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from lilm.chat import Message
from lilm.errors import LilmError
from lilm.recipe import ChatSourceConfig
from lilm.train.finetune.entries import Entry
from lilm.train.finetune.messages import Chat, counted
from lilm.train.finetune.reader import ChatReader
from lilm.train.finetune.sources import source_entries

IDS = ("id", "index", "conversation_id", "message_tree_id", "message_id")  # of a record, the first that it has
FAILED = "ng_translation"  # marks what is to be translated again, and is no reason to leave it out here
TREES = ("tree", "rows")

_Key = TypeVar("_Key", bound=Hashable)


class Pair(NamedTuple):
    """old: the chat in the other language, with the same turns; None where there is none."""

    original: list[Message]
    old: list[Message] | None


@dataclass(frozen=True)
class Pairs:
    """described: what was read, in lines for people."""

    pairs: list[Pair]
    described: list[str]


def read_pairs(source: ChatSourceConfig, old: ChatSourceConfig | None, language: str, base_language: str) -> Pairs:
    """The source's chats in base_language, each with the one of `old` that has its id, or where a record of either has
    none, its place. A set of message trees that has both languages itself (`text`, `text_ja`) needs no `old`.

    Raises LilmError as ChatReader does, and when the two sets do not belong together.
    """
    if source.format == "chats":
        remedy = "set its `lang` instead: LiLM makes such chats in each of its languages"
        raise LilmError("these chats are made by LiLM", where=f"finetune.sources {source.name}", remedy=remedy)
    read = _read(source, base_language)
    told = [f"{read.described}: {len(read.chats)} chats"]
    told += counted(read.left_out)
    if old is not None:
        olds = _matched(read, _read(old, language), old.path or old.repo)
    elif read.kind in TREES:
        again = _read(source, language)
        olds = _of_the_same(read.places, again.places, again.chats)
    else:
        olds = [None] * len(read.chats)
    pairs = []
    for chat, other in zip(read.chats, olds, strict=True):
        fits = other is not None and other != chat.messages and _roles(other) == _roles(chat.messages)
        pairs.append(Pair(chat.messages, other if fits else None))
    with_old = sum(pair.old is not None for pair in pairs)
    if old is not None and not with_old:
        remedy = "give the translation of this very set"
        raise LilmError(f"none of its chats has the turns of one of {source.name}", where=old.path, remedy=remedy)
    if with_old:
        told.append(f"with an old translation: {with_old} of {len(pairs)}")
    return Pairs(pairs, told)


@dataclass(frozen=True)
class _Read:
    """places, ids: of each chat, the number and the name of the record that it is from. records: how many there are."""

    chats: list[Chat]
    places: list[int]
    ids: list[str | None]
    records: int
    kind: str
    described: str
    left_out: Counter[str]


def _read(source: ChatSourceConfig, language: str) -> _Read:
    ids: dict[str, str] = {}
    places: dict[str, int] = {}

    def noted() -> Iterator[Entry]:
        for number, entry in enumerate(source_entries(source)):
            if isinstance(entry, LilmError):
                yield entry
                continue
            where, record = entry
            name = next((record[key] for key in IDS if isinstance(record.get(key), str | int)), None)
            if name is not None:
                ids[where] = str(name)
            places[where] = number
            yield where, _without_marks(record)

    reader = ChatReader(source, noted(), language)
    chats = list(reader)
    return _Read(
        chats,
        [places[chat.where] for chat in chats],
        [ids.get(chat.where) for chat in chats],
        reader.records,
        reader.form.kind if reader.form else "",
        reader.described(),
        reader.left_out,
    )


def _without_marks(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != FAILED}


def _matched(read: _Read, old: _Read, where: str) -> Sequence[list[Message] | None]:
    """The old chat of each."""
    if None not in old.ids and None not in read.ids:
        return _of_the_same(read.ids, old.ids, old.chats)
    if old.records != read.records:
        raise LilmError(
            f"{old.records} records for {read.records}, and no ids in both to tell which is whose",
            where=where,
            remedy=f"give each record the same {IDS[0]!r} in both files, or the same chats in the same order",
        )
    return _of_the_same(read.places, old.places, old.chats)


def _of_the_same(wanted: Sequence[_Key], given: Sequence[_Key], chats: Sequence[Chat]) -> list[list[Message] | None]:
    """For each of `wanted`, the records of chats, the messages of the chat that is of the same one; None where there is
    none, or where another number of chats is of it, as of those one is missing, and nothing tells which."""
    made: defaultdict[_Key, list[list[Message]]] = defaultdict(list)
    for key, chat in zip(given, chats, strict=True):
        made[key].append(chat.messages)
    counts, seen = Counter(wanted), Counter[_Key]()
    found: list[list[Message] | None] = []
    for key in wanted:
        found.append(made[key][seen[key]] if len(made[key]) == counts[key] else None)
        seen[key] += 1
    return found


def _roles(messages: Sequence[Message]) -> list[str]:
    return [message["role"] for message in messages]
