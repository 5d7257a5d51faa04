"""Which JSON schemas an answer can be held to: of other keywords no grammar is made, and they would be ignored."""

from collections.abc import Mapping
from typing import Any

from lilm.demo.api.errors import ApiError

COUNTS = ("minItems", "maxItems", "minLength", "maxLength")
MOST = 1_000  # of what COUNTS count: the grammar names each one
ONE = ("items", "additionalProperties")  # their value is a schema
SEVERAL = ("oneOf", "anyOf", "allOf", "prefixItems")  # a list of schemas
NAMED = ("properties", "$defs", "definitions")  # schemas by name
PLAIN = ("type", "const", "enum", "required", "pattern", "$ref")
SAYINGS = ("title", "description", "default", "examples", "format", "deprecated", "$schema", "$id", "$comment")
KNOWN = frozenset((*COUNTS, *ONE, *SEVERAL, *NAMED, *PLAIN, *SAYINGS))


def checked_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema. Raises ApiError naming a keyword in it that no answer would be held to."""
    waiting: list[Any] = [schema]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict):
            if isinstance(one, bool):
                continue
            raise ApiError("the JSON schema cannot be followed: a part of it is no schema", "response_format")
        unknown = next((key for key in one if key not in KNOWN), None)
        if unknown is not None:
            raise ApiError(f"the JSON schema cannot be followed: {unknown} is not supported", "response_format")
        for key in COUNTS:
            if key in one and not (type(one[key]) is int and 0 <= one[key] <= MOST):
                what = f"{key} is a whole number of at most {MOST:,}"
                raise ApiError(f"the JSON schema cannot be followed: {what}", "response_format")
        for key in one:
            inner = one[key]
            if key in NAMED:
                waiting += inner.values() if isinstance(inner, dict) else [inner]
            elif key in SEVERAL or (key in ONE and isinstance(inner, list)):
                waiting += inner if isinstance(inner, list) else [inner]
            elif key in ONE:
                waiting.append(inner)
    return schema
