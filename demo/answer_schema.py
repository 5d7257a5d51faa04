"""The JSON schema that a chat's answers follow, as somebody wrote it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lilm.errors import LilmError
from lilm.json_file import json_object, read_json_object

REMEDY = "mend it, or leave it out"
MAX_BYTES = 2**20


def schema_of(text: str, where: str) -> Mapping[str, Any] | None:
    """None for a blank text. Raises LilmError for one that is no JSON schema, or none that answers can be held to."""
    return _checked(json_object(text, where, REMEDY), where) if text.strip() else None


def read_schema(path: Path) -> Mapping[str, Any]:
    """Of a file. Raises LilmError as `schema_of` does."""
    return _checked(read_json_object(path, remedy=REMEDY, max_bytes=MAX_BYTES), str(path))


def _checked(found: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    from lilm.demo.api.errors import ApiError
    from lilm.demo.api.schema import checked_schema

    try:
        return checked_schema(found)
    except ApiError as error:
        raise LilmError(error.message, where=where, remedy=REMEDY) from error
