"""Entries of a chat file, JSON Lines or one JSON list: people call either .json or .jsonl."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.train.corpus.sources import base
from lilm.train.corpus.sources.decoding import BOM_UTF16
from lilm.train.corpus.sources.files import readable
from lilm.train.corpus.sources.records import lines
from lilm.train.finetune.messages import shown

HEAD = 1 << 16  # bytes in which a file's first character is looked for


def entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, entry) of each. Raises LilmError naming the line, or the entry of a list."""
    with readable(path), path.open("rb") as file:
        head = file.read(HEAD)
        if head.startswith(BOM_UTF16) or b"\0" in head:
            raise LilmError("not UTF-8 but UTF-16, or no text", where=str(path), remedy="save it as UTF-8")
        is_list = head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
        file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
        if is_list:
            for number, entry in enumerate(_parsed(file.read(), str(path), "mend the file"), start=1):
                yield _checked(entry, f"{path}: entry {number}")
        else:
            for number, (_, line) in enumerate(lines(file), start=1):
                where = f"{path}:{number}"
                if line is None:
                    raise LilmError(
                        f"line of more than {base.RECORD_LIMIT / base.MB:g} MB", where=where, remedy="delete that line"
                    )
                if line.strip():
                    yield _checked(_parsed(line, where, "mend that line"), where)


def _parsed(data: bytes, where: str, remedy: str) -> Any:
    try:
        return json.loads(data.decode())
    except ValueError as error:
        raise LilmError(f"not JSON ({error})", where=where, remedy=remedy) from error
    except RecursionError as error:
        raise LilmError("JSON nested too deep", where=where, remedy=remedy) from error


def _checked(entry: Any, where: str) -> tuple[str, dict[str, Any]]:
    if not isinstance(entry, dict):
        raise LilmError(f"{shown(entry)} instead of a JSON object", where=where, remedy="mend or delete it")
    return where, entry
