"""Records of a file of chats, whatever it is called: JSON Lines, one JSON list, one JSON object, or Parquet; packed as
the corpus's files may be."""

import codecs
import io
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.json_file import is_deep, is_text
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.base import Damaged
from lilm.train.corpus.sources.decoding import BOM_UTF16
from lilm.train.corpus.sources.files import opened, readable
from lilm.train.corpus.sources.records import lines
from lilm.train.finetune.messages import shown

PARQUET = b"PAR1"
LINE = "mend that line"

Entry = tuple[str, dict[str, Any]] | LilmError
"""(where it stands, the record), or what is wrong with it."""


def entries(path: Path) -> Iterator[Entry]:
    """Each record of the file in its order; `where` is path:line, or names the entry of a list or the row.

    Raises LilmError for a file that cannot be read as a whole.
    """
    try:
        with readable(path), opened(path) as stream:
            head = stream.peek(1)
            if head.startswith(PARQUET):
                yield from _rows(path)
                return
            if head.startswith(BOM_UTF16) or b"\0" in head:
                raise LilmError("not UTF-8 but UTF-16, or no text", where=str(path), remedy="save it as UTF-8")
            stream.read(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
            first = head.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
            yield from _list(stream, path) if first == b"[" and not _is_list_a_line(path) else _lines(stream, path)
    except Damaged as error:
        raise error.bad.error() from error


def _rows(path: Path) -> Iterator[Entry]:
    from lilm.train.corpus.sources.parquet import read_rows

    for number, row in read_rows(path):
        yield f"{path}, row {number}", row


def _is_list_a_line(path: Path) -> bool:
    """Whether the file's first line is a whole list, and not its only line."""
    with opened(path) as stream:
        found = [line for _, line in islice(lines(stream), 2)]
    if len(found) < 2 or found[0] is None or (found[1] is not None and not found[1].strip()):
        return False
    try:
        return isinstance(json.loads(found[0].removeprefix(codecs.BOM_UTF8)), list)
    except (ValueError, RecursionError):
        return False


def _list(stream: io.BufferedReader, path: Path) -> Iterator[Entry]:
    data = stream.read()
    for number, entry in enumerate(_parsed(data, str(path), "mend the file"), start=1):
        yield _checked(entry, f"{path}: entry {number}", data)


def _lines(stream: io.BufferedReader, path: Path) -> Iterator[Entry]:
    for number, (_, line) in enumerate(lines(stream), start=1):
        where = f"{path}:{number}"
        if line is None:
            yield LilmError(f"line of more than {base.RECORD_LIMIT / base.MB:g} MB", where=where, remedy=LINE)
        elif line.strip():
            try:
                yield _checked(_parsed(line, where, LINE), where, line)
            except LilmError as error:
                whole = _one_object(path) if number == 1 else None
                yield error if whole is None else (str(path), whole)
                if whole is not None:
                    return


def _one_object(path: Path) -> dict[str, Any] | None:
    """The file's only JSON object, written over many lines; None when it is something else, or too large for one."""
    with opened(path) as stream:
        data = stream.read(base.RECORD_LIMIT + 1)
    if len(data) > base.RECORD_LIMIT:
        return None
    try:
        found = _parsed(data.removeprefix(codecs.BOM_UTF8), str(path), "")
    except LilmError:
        return None
    return found if isinstance(found, dict) else None


def _parsed(data: bytes, where: str, remedy: str) -> Any:
    try:
        return json.loads(data.decode())
    except ValueError as error:
        raise LilmError(f"not JSON ({error})", where=where, remedy=remedy) from error
    except RecursionError as error:
        raise LilmError("JSON nested too deep", where=where, remedy=remedy) from error


def _checked(entry: Any, where: str, data: bytes) -> Entry:
    """data: that it was parsed from. A bare list of messages is a record of nothing else."""
    if isinstance(entry, list) and entry and all(isinstance(one, dict) for one in entry):
        entry = {"messages": entry}
    if not isinstance(entry, dict):
        return LilmError(f"{shown(entry)} instead of a JSON object", where=where, remedy="mend or delete it")
    if is_deep(entry):
        return LilmError("JSON nested too deep", where=where, remedy="mend or delete it")
    if b"\\ud" in data.lower() and not is_text(entry):
        what = "half a surrogate pair, which is no character"
        return LilmError(what, where=where, remedy="mend or delete it")
    return where, entry
