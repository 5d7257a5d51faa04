"""The reference of `lilm.toml`, out of the recipe's models: their docstrings hold every key's meaning."""

import inspect
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic_core import PydanticUndefined
from words import said

from lilm.recipe import Recipe
from lilm.recipe.section import Section
from lilm.report.markdown import code, table

HEAD = """<!-- Written by dev/docs/generate.py out of lilm/recipe/: change it there. -->

# The recipe: every key of lilm.toml

One file describes a run. `lilm init` writes one, `lilm recipes` lists the shipped ones. A key that does not exist, or a
value that is not allowed, is refused by name before anything starts. Relative paths are meant from the folder of the
recipe. A changed key makes anew exactly the stages that depend on it.
"""


@dataclass(frozen=True)
class Table:
    """A table of the recipe. path: its dotted name. several: [[path]]. about: what the key that holds it says. without:
    what holds where the recipe has no such table."""

    model: type[Section]
    path: str = ""
    several: bool = False
    about: str = ""
    without: Section | None = None

    @property
    def title(self) -> str:
        return f"[[{self.path}]]" if self.several else f"[{self.path}]"


def recipe_page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_described(Table(Recipe), {})])


def _described(of: Table, told: dict[type[Section], str]) -> Iterator[str]:
    """The parts of a table and of those inside it. told: the models that were told before, and under which title."""
    yield f"{'###' if '.' in of.path else '##'} {code(of.title) if of.path else 'At the top'}\n"
    yield from (words + "\n" for words in (said(of.about), _without(of)) if words)
    if of.model in told:
        yield f"The same keys as {code(told[of.model])}.\n"
        return
    told[of.model] = of.title
    if about := _about(of.model, of.path):
        yield about + "\n"
    rows, inner = [], []
    for name, field in of.model.model_fields.items():
        section, several = _section_of(field.annotation)
        if section is None:
            values = _values(field.annotation, field.metadata)
            rows.append([code(name), values, _default(field), said(field.description or "")])
        else:
            given = field.default if isinstance(field.default, Section) else None
            path = f"{of.path}.{name}".lstrip(".")
            inner.append(Table(section, path, several, field.description or "", given))
    if rows:
        yield table(("key", "values", "default", "what it is"), rows) + "\n"
    for one in inner:
        yield from _described(one, told)


def _without(of: Table) -> str:
    """What a missing table means, where it is more than the keys' defaults."""
    if of.without is None:
        return ""
    given = of.without.model_fields_set
    told = ", ".join(
        code(f"{name} = {_toml(getattr(of.without, name))}")
        for name, field in of.model.model_fields.items()
        if name in given and _section_of(field.annotation)[0] is None
    )
    return f"Without this table: {told}." if told else ""


def _about(model: type[Section], path: str) -> str:
    """The model's own docstring, else the module's where that is about this very section."""
    own = model.__dict__.get("__doc__")
    if own and not own.startswith("!!!"):
        return "\n\n".join(said(part) for part in inspect.cleandoc(own).split("\n\n"))
    module = sys.modules[model.__module__].__doc__ or ""
    head, _, rest = module.partition(": ")
    is_own = path and head.strip("[]") == path
    return said(rest[:1].upper() + rest[1:]) if is_own else ""


def _section_of(annotation: Any) -> tuple[type[Section] | None, bool]:
    """(the section that a key holds, whether it holds several)."""
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        return annotation, False
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        if inspect.isclass(inner) and issubclass(inner, Section):
            return inner, True
    for part in get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ():
        if inspect.isclass(part) and issubclass(part, Section):
            return part, False
    return None, False


def _values(annotation: Any, metadata: list[Any]) -> str:
    return " ".join(part for part in (_type(annotation), _limits(metadata)) if part)


def _type(annotation: Any) -> str:
    """What a key may be, as TOML calls it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(inner[0], [one for meta in inner[1:] for one in getattr(meta, "metadata", [meta])])
    if origin is Literal:
        return ", ".join(code(_toml(one)) for one in inner)
    if origin is tuple:
        return f"array of {_type(inner[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one) for one in inner if one is not type(None))
    if origin is dict:
        return f"table of {_type(inner[1])}"
    return {str: "string", int: "integer", float: "number", bool: "true, false"}.get(annotation, "value")


def _limits(metadata: list[Any]) -> str:
    """The numbers that a value is held to; patterns are told by the refusal."""
    words = {"ge": "≥ ", "gt": "> ", "le": "≤ ", "lt": "< ", "min_length": "at least "}
    found = {name: getattr(one, name) for one in metadata for name in words if getattr(one, name, None) is not None}
    return ", ".join(f"{words[name]}{_number(found[name])}" for name in words if name in found)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default(field: Any) -> str:
    if field.default is PydanticUndefined and field.default_factory is None:
        return "**must be given**"
    value = field.get_default(call_default_factory=True)
    return "–" if value is None else code(_toml(value))


def _toml(value: Any) -> str:
    import tomlkit

    return tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
