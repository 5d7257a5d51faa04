"""Reading, checking and writing recipes."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import BaseModel, ValidationError

from lilm.errors import LilmError
from lilm.recipe.root import Recipe


def shipped_recipes() -> dict[str, str]:
    """Name -> TOML text of the recipes inside the package."""
    folder = resources.files("lilm") / "recipes"
    return {
        item.name.removesuffix(".toml"): item.read_text(encoding="utf-8")
        for item in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if item.name.endswith(".toml")
    }


def recipe_text(name: str) -> str:
    """TOML text of the shipped recipe `name`. Raises LilmError when there is none."""
    shipped = shipped_recipes()
    if name not in shipped:
        raise LilmError(f"no shipped recipe {name!r}", where="--recipe", remedy="use one of: " + ", ".join(shipped))
    return shipped[name]


def load_recipe(name_or_path: str) -> Recipe:
    """A shipped recipe by name, or the file at a path. Relative paths in it become absolute.

    Raises LilmError with the key, what was found and what is allowed.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.exists():
        if not path.is_file():
            raise LilmError("no such recipe", where=name_or_path, remedy="`lilm init DIR` writes one")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise LilmError(f"not UTF-8 ({error})", where=name_or_path, remedy="save it as UTF-8") from error
        return parse_recipe(text, str(path), path.resolve().parent)
    return parse_recipe(recipe_text(name_or_path), f"recipe {name_or_path}", Path.cwd())


def parse_recipe(text: str, where: str, folder: Path) -> Recipe:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LilmError(f"not TOML: {error}", where=where, remedy="mend that line") from error
    try:
        return Recipe.model_validate(_absolute(data, folder))
    except ValidationError as error:
        # an unknown key first: a misspelt one also makes the right one missing
        first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        what, remedy = _explained(first)
        raise LilmError(what + more, where=where, remedy=remedy) from error


def _explained(error: Any) -> tuple[str, str]:
    """(what was found at which key, what is allowed) of one pydantic error."""
    key = ".".join(str(part) for part in error["loc"]) or "recipe"
    found = "" if isinstance(error["input"], dict | list | BaseModel) else f" (found {error['input']!r})"
    if error["type"] == "extra_forbidden":
        return f"unknown key {key}{found}", "known here: " + ", ".join(_known_keys(error["loc"][:-1]))
    if error["type"] == "missing":
        return f"missing key {key}", "add it"
    return f"{key}: {error['msg'].removeprefix('Value error, ')}{found}", "correct that key"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed in the section at `location`."""
    model: Any = Recipe
    for part in location:
        if isinstance(part, str):
            model = model.model_fields[part].annotation
            arguments = getattr(model, "__args__", ())
            model = arguments[0] if arguments else model
    return sorted(model.model_fields)


PATHS = frozenset({"path", "earlier", "models", "hostfile"})  # keys whose values are paths, relative to the recipe


def _absolute(value: Any, folder: Path, is_path: bool = False) -> Any:
    """The same TOML value with every non-empty path made absolute."""
    if isinstance(value, list):
        return [_absolute(item, folder, is_path) for item in value]
    if isinstance(value, dict):
        return {key: _absolute(item, folder, is_path or key in PATHS) for key, item in value.items()}
    return str(folder / Path(value).expanduser()) if is_path and isinstance(value, str) and value else value


def recipe_toml(recipe: Recipe) -> str:
    """The whole recipe, defaults filled in, as TOML."""
    return tomlkit.dumps(recipe.model_dump(mode="json", exclude_none=True))  # TOML has no null
