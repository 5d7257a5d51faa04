"""JSON Lines, one document in each line's `field`. Ids in the records only tell repeated records: the documents' own
ids come from their position."""

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from lilm.json_file import is_deep
from lilm.recipe import SourceConfig
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.base import MB, Bad, Damaged, Item, identified
from lilm.train.corpus.sources.decoding import BOM_UTF16, Undecodable, decode
from lilm.train.corpus.sources.files import opened
from lilm.train.corpus.sources.records import lines

DELETE = "mend or delete that line"
SHOWN = 20  # keys of a record in a message


def read_file(path: Path, source: SourceConfig, begin: int = 0, end: int | None = None) -> Iterator[Item]:
    """The texts of the lines that begin in the bytes [begin, end); blank lines and texts are passed over.

    Bad at path:line (path@byte when begin > 0): bytes that are no text, no JSON, no such field or no string in it, a
    line longer than RECORD_LIMIT. Raises Damaged for UTF-16 and for a JSON list.
    """
    with opened(path) as stream:
        head = stream.peek(4)[:8].split(b"{")[0]
        if not begin and head.startswith(BOM_UTF16):
            raise Damaged(str(path), "UTF-16, not UTF-8", "save it as UTF-8")
        if not begin and head.removeprefix(BOM_UTF8).strip() == b"[":
            raise Damaged(str(path), "one JSON list, not JSON Lines", "write one object a line: jq -c '.[]'")
        for number, (offset, line) in enumerate(lines(stream, begin, end), start=1):
            where = f"{path}@{offset}" if begin else f"{path}:{number}"
            if line is None:
                yield Bad(where, f"line of more than {base.RECORD_LIMIT / MB:g} MB", DELETE)
                continue
            try:
                record = orjson.loads(line)
                text = record[source.field]
            except (ValueError, LookupError, TypeError):
                text = None
            item = _named(text, record, where, source) if isinstance(text, str) else _slowly(line, where, source)
            if isinstance(item, Bad) or item.strip():
                yield item


def _named(text: str, record: dict[str, Any], where: str, source: SourceConfig) -> str | Bad:
    own = record.get(source.id_field)
    if isinstance(own, dict | list) and is_deep(own):
        return Bad(where, f"{source.id_field!r} is nested too deep to be an id", DELETE)
    return identified(text, own, where)


def _slowly(line: bytes, where: str, source: SourceConfig) -> str | Bad:
    """What orjson does not take but may be right (another encoding, NaN, lone surrogates elsewhere), or why it is not.

    "" for a blank line.
    """
    try:
        decoded = decode(line, source.lang)
    except Undecodable as error:
        return Bad(where, f"{error.what}, at position {error.position} of the line", DELETE)
    if not decoded.strip():
        return ""
    try:
        record = json.loads(decoded)
    except ValueError as error:
        return Bad(where, f"not JSON ({error})", DELETE)
    except RecursionError:
        return Bad(where, "JSON nested too deep", DELETE)
    remedy = f"set `field` of corpus source {source.name}"
    if not isinstance(record, dict) or source.field not in record:
        keys = ", ".join(list(record)[:SHOWN]) if isinstance(record, dict) else type(record).__name__
        return Bad(where, f"no field {source.field!r} (found {keys})", remedy)
    text = record[source.field]
    if not isinstance(text, str):
        return Bad(where, f"field {source.field!r} is {type(text).__name__}, not a string", remedy)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return Bad(where, f"half a surrogate pair at character {error.start} of the text", DELETE)
    return _named(text, record, where, source)
