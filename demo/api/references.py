"""What $ref names in a JSON schema, under names that llama.cpp's converter takes for nothing else.

It makes a grammar's rule of each property and of each definition, by the last part of its name alone: of a property and
a definition that are called alike, or of two definitions in different places, one would have the other's rule.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

DEFINITIONS = ("$defs", "definitions")
ONE = ("items", "additionalProperties")  # their value is a schema
SEVERAL = ("oneOf", "anyOf", "allOf", "prefixItems")  # a list of schemas
LOCAL = "#/"  # before the path of a schema in the same document
_NO_RULE = re.compile(r"[^a-zA-Z0-9-]+")  # what the converter replaces by "-" in a rule's name


def found_at(ref: Any, root: Mapping[str, Any]) -> Any:
    """What a $ref in the same document names in `root`; None where that is nothing."""
    found: Any = root
    for part in str(ref).removeprefix(LOCAL).split("/"):
        read = unquote(part).replace("~1", "/").replace("~0", "~")
        found = found.get(part, found.get(read)) if isinstance(found, dict) else None
    return found


def apart(schema: Any, missing: Callable[[str], Exception]) -> Any:
    """The schema, whose definitions have names that no property's rule can have. Raises `missing` of a $ref that names
    nothing in it."""
    if not isinstance(schema, dict):
        return schema
    opening = "ref"
    while any(name.startswith(opening) for name in _property_names(schema)):
        opening += "x"
    names: dict[str, str] = {}
    made: dict[str, Any] = {}

    def at(ref: Any) -> Any:
        if not isinstance(ref, str) or not ref.startswith(LOCAL):  # the converter refuses it
            return ref
        if ref not in names:
            target = found_at(ref, schema)
            if target is None:
                raise missing(ref)
            names[ref] = f"{opening}-{len(names)}"
            made[names[ref]] = inside(target)
        return f"{LOCAL}{DEFINITIONS[0]}/{names[ref]}"

    def inside(one: Any) -> Any:
        if not isinstance(one, dict):
            return one
        return {key: value_of(key, value) for key, value in one.items() if key not in DEFINITIONS}

    def value_of(key: str, value: Any) -> Any:
        if key == "$ref":
            return at(value)
        if key == "properties":
            return {name: inside(one) for name, one in value.items()}
        if key in SEVERAL or (key in ONE and isinstance(value, list)):
            return [inside(one) for one in value]
        return inside(value) if key in ONE else value

    found = inside(schema)
    return {**found, DEFINITIONS[0]: made} if made else found


def _property_names(schema: Any) -> Iterator[str]:
    """As rules begin with them; of all that is called `properties` anywhere."""
    if isinstance(schema, dict):
        named = schema.get("properties")
        if isinstance(named, dict):
            yield from (_NO_RULE.sub("-", name) for name in named)
        for one in schema.values():
            yield from _property_names(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from _property_names(one)
