"""Reading a JSON file that somebody else wrote."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lilm.errors import LilmError

MAX_BYTES = 256 * 2**20  # the largest tokenizer.json of a Llama has 17 MB
MAX_DEPTH = 64  # what is deeper than Python's own limit cannot be copied or written again
AGAIN = "fetch the file again"
_NAMES = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}


def read_json_object(path: Path, *, remedy: str = AGAIN, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Returns the object in a UTF-8 file, which may begin with a byte order mark.

    Raises LilmError naming the file when it is missing, too large or too deep, is not JSON, names a key twice, or
    holds something else than an object at its top.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise _bad(f"it has {size:,} bytes, and at most {max_bytes:,} are read", path, remedy)
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise _bad("no such file", path, remedy) from error
    except OSError as error:
        raise _bad(f"it cannot be read ({error.strerror})", path, remedy) from error
    except UnicodeDecodeError as error:
        raise _bad(f"not UTF-8 (byte {error.start})", path, remedy) from error
    return json_object(text, str(path), remedy)


def json_object(text: str, where: str, remedy: str) -> dict[str, Any]:
    """Returns the object in a text. Raises LilmError as `read_json_object` does. where: what errors name."""
    try:
        found = json.loads(text, object_pairs_hook=_without_doubles)
    except RecursionError as error:
        raise _bad(f"it is nested more than {MAX_DEPTH} deep", where, remedy) from error
    except ValueError as error:
        raise _bad(f"not JSON ({error})", where, remedy) from error
    if not isinstance(found, dict):
        raise _bad(f"it holds {_NAMES.get(type(found), 'a number')}, not an object", where, remedy)
    if is_deep(found):
        raise _bad(f"it is nested more than {MAX_DEPTH} deep", where, remedy)
    if "\\ud" in text.lower() and not is_text(found):
        raise _bad("a text in it has half a surrogate pair, which no file can hold", where, remedy)
    return found


def is_text(found: Any) -> bool:
    """Whether all texts in a JSON value can be written as UTF-8: half a surrogate pair cannot."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _bad(what: str, where: Path | str, remedy: str) -> LilmError:
    return LilmError(what, where=str(where), remedy=remedy)


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the object. Raises ValueError for a key that stands there twice: readers differ in which they take."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise ValueError(f"the key {twice!r} stands there twice")
    return found


def is_deep(found: Any) -> bool:
    """Whether a JSON value is nested more than MAX_DEPTH deep."""
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
