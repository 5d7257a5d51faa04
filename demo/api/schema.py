"""Which JSON schemas an answer can be held to, written so that llama.cpp's converter drops nothing of them."""

from collections.abc import Iterable, Mapping
from typing import Any

from lilm.demo.api.errors import ApiError
from lilm.demo.api.pattern import in_json
from lilm.demo.api.references import DEFINITIONS, ONE, SEVERAL, apart, found_at

COUNTS = ("minItems", "maxItems", "minLength", "maxLength")
MOST = 1_000  # of what COUNTS count: the grammar names each one
NAMED = ("properties", *DEFINITIONS)  # schemas by name
PLAIN = ("type", "const", "enum", "required", "pattern", "$ref")
SAYINGS = ("title", "description", "default", "examples", "format", "deprecated", "$schema", "$id", "$comment")
KNOWN = frozenset((*COUNTS, *ONE, *SEVERAL, *NAMED, *PLAIN, *SAYINGS))
OF_TYPE = {  # what binds values of that type alone; `format` does where the converter knows it
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "string": ("pattern", "minLength", "maxLength", "format"),
}
FORMATS = ("date", "time", "date-time", "uuid", *(f"uuid{version}" for version in range(1, 6)))  # the converter's
OF_PART = ("type", "properties", "required")  # what the converter takes from a part of allOf


def checked_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema that allows nothing that this one forbids, of which the converter follows every word.

    A list of types, of which it follows the types alone, becomes one schema for each; definitions get other names (see
    references). Raises ApiError naming a keyword that no answer would be held to.
    """
    waiting: list[Any] = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, bool):
            continue
        if not isinstance(one, dict):
            raise _refusal("a part of it is no schema")
        unknown = next((key for key in one if key not in KNOWN), None)
        if unknown is not None:
            raise _refusal(f"{unknown} is not supported")
        for key in one:
            waiting += _inner(key, one[key])
    try:
        followed: dict[str, Any] = apart(_followed(schema, schema), lambda ref: _refusal(f"$ref {ref} names nothing"))
    except RecursionError as error:
        raise _refusal("too many definitions that each name the next") from error
    return followed


def _refusal(why: str) -> ApiError:
    return ApiError(f"the JSON schema cannot be followed: {why}", "response_format")


def _inner(key: str, value: Any) -> Iterable[Any]:
    """The schemas in a keyword's value. Raises ApiError for a value that the keyword cannot have."""
    if key in COUNTS and not (type(value) is int and 0 <= value <= MOST):
        raise _refusal(f"{key} is a whole number of at most {MOST:,}")
    if key in NAMED and not isinstance(value, dict):
        raise _refusal(f"{key} holds schemas by their names")
    if key in ("required", "enum", *SEVERAL) and not (isinstance(value, list) and (value or key == "required")):
        raise _refusal(f"{key} is a list")
    if key == "type" and value == []:
        raise _refusal("a list of no types")
    if key in NAMED:
        return list(value.values())
    if key in SEVERAL or (key in ONE and isinstance(value, list)):
        return list(value)
    return [value] if key in ONE else []


def _followed(schema: Any, root: Mapping[str, Any]) -> Any:
    """The schema, or true or false, and all in it. root: where $ref looks."""
    if not isinstance(schema, dict):
        return schema
    if "allOf" in schema:
        return _all_of(schema, root)
    found = {key: _followed_inside(key, value, root) for key, value in schema.items()}
    said, bound = _said(found), _bound(found)
    for key in ("$ref", "oneOf", "anyOf"):
        if key in bound:
            _refuse_beside(key, bound, (key,))
            return found
    types = bound["type"] if isinstance(bound.get("type"), list) else [bound.get("type", _told_type(bound))]
    if "const" in bound or "enum" in bound:
        key = "const" if "const" in bound else "enum"
        _refuse_beside(key, bound, (key, "type"))
        values = [bound[key]] if key == "const" else bound[key]
        right = [value for value in values if "type" not in bound or any(_is_of(value, one) for one in types)]
        if not right:
            raise _refusal(f"no value of {key} is of its type")
        return {**said, "enum": right}
    made = [_of_type(bound, one) for one in types]
    return {**said, "anyOf": made} if len(made) > 1 else {**said, **made[0]}


def _followed_inside(key: str, value: Any, root: Mapping[str, Any]) -> Any:
    if key in NAMED:
        return {name: _followed(one, root) for name, one in value.items()}
    if key in SEVERAL or (key in ONE and isinstance(value, list)):
        return [_followed(one, root) for one in value]
    return _followed(value, root) if key in ONE else value


def _said(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What binds no value."""
    return {key: value for key, value in schema.items() if key in (*SAYINGS, *DEFINITIONS) and key != "format"}


def _bound(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in (*SAYINGS, *DEFINITIONS) or key == "format"}


def _refuse_beside(key: str, bound: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Raises ApiError for a keyword that the converter passes over where `key` stands."""
    other = next((one for one in bound if one not in (*allowed, "format")), None)
    if other is not None:
        raise _refusal(f"{other} beside {key} is not supported")


def _told_type(bound: Mapping[str, Any]) -> str | None:
    """The type that a schema without one is about; values of others are not written."""
    return next((name for name, keys in OF_TYPE.items() if any(key in bound for key in keys)), None)


def _of_type(bound: Mapping[str, Any], name: Any) -> dict[str, Any]:
    """The schema for values of one type. Raises ApiError for what the converter passes over in it."""
    keys = OF_TYPE.get(name, ()) if isinstance(name, str) else ()
    found = {key: bound[key] for key in keys if key in bound}
    missing = next((one for one in found.get("required", ()) if one not in [*found.get("properties", ())]), None)
    if missing is not None:
        raise _refusal(f"required names {missing}, which is none of properties")
    if name == "array":
        found = _of_array(found)
    if isinstance(found.get("pattern"), str):
        found["pattern"] = in_json(found["pattern"])
    lengths = [key for key in found if key in ("minLength", "maxLength")]
    if lengths and ("pattern" in found or found.get("format") in FORMATS):
        raise _refusal(f"{lengths[0]} beside {'pattern' if 'pattern' in found else 'format'} is not supported")
    return found if name is None else {"type": name, **found}


def _of_array(found: dict[str, Any]) -> dict[str, Any]:
    items, first = found.get("items"), found.get("prefixItems")
    counts = [key for key in found if key in COUNTS]
    if first is not None and items is not None:
        if items is not False:
            raise _refusal("prefixItems beside items is not supported")
        found = {key: value for key, value in found.items() if key != "items"}
    listed = first if first is not None else items
    if listed is None and counts:
        raise _refusal(f"{counts[0]} without items is not supported")
    once = len(listed) if isinstance(listed, list) else None  # the converter writes each of them once
    if once is not None and not found.get("minItems", 0) <= once <= found.get("maxItems", once):
        raise _refusal(f"{counts[0]} that is not the number of the listed items is not supported")
    return found


def _is_of(value: Any, name: Any) -> bool:
    """Whether a value is of a type, as JSON Schema has them."""
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return _is_of(value, "number") and value % 1 == 0
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
    kinds: dict[Any, type] = {"object": dict, "array": list, "string": str}
    return isinstance(name, str) and isinstance(value, kinds.get(name, ()))


def _all_of(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The converter joins the properties of objects, each of them required, and passes over all else."""
    bound, parts = _bound(schema), schema["allOf"]
    if len(parts) == 1 and bound.keys() == {"allOf"} and isinstance(parts[0], dict):
        return _followed({**_said(schema), **parts[0]}, root)
    _refuse_beside("allOf", bound, ("allOf", "type", "required"))
    followed = [_followed(part, root) for part in parts]
    names: list[str] = []
    for part in (_target(part, root) for part in followed):
        _refuse_beside("allOf", part, (*OF_PART, *SAYINGS, *DEFINITIONS))
        names += part.get("properties", ())
        if part.get("type", "object") != "object" or "properties" not in part:
            raise _refusal("a part of allOf is no object with properties")
    if len(names) > len(set(names)) or bound.get("type", "object") != "object":
        raise _refusal("parts of allOf that bind one value twice")
    _of_type({"properties": names, "required": bound.get("required", [])}, "object")
    inside = {key: _followed_inside(key, schema[key], root) for key in DEFINITIONS if key in schema}
    return {**schema, **inside, "allOf": followed}


def _target(part: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part, or what its $ref names."""
    found = found_at(part["$ref"], root) if isinstance(part, dict) and "$ref" in part else part
    if not isinstance(found, dict):
        raise _refusal("a part of allOf is no object with properties")
    return found
