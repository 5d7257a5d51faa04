"""Reading, checking and writing recipes."""

import codecs
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tomlkit
from pydantic import BaseModel, ValidationError

from lilm.errors import LilmError
from lilm.recipe.changes import lay
from lilm.recipe.root import Recipe


class UnknownKeys(LilmError):
    """A recipe with keys that are none of this version's. keys: all of them, dotted."""

    def __init__(self, keys: tuple[str, ...], what: str, *, where: str, remedy: str) -> None:
        self.keys = keys
        super().__init__(what, where=where, remedy=remedy)


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


def load_recipe(name_or_path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """A shipped recipe by name, or the file at a path. Relative paths in it become absolute.

    changes: other values, by dotted key (`{"pretrain.stage2.steps": 100, "corpus.sources.0.limit": 20}`), where a
    relative path is meant as one in the recipe. Raises LilmError with the key, what was found and what is allowed.
    """
    name_or_path, changes = str(name_or_path), changes or {}
    path = Path(name_or_path)
    if path.suffix == ".toml" or path.exists():
        if path.is_dir():
            raise LilmError("a folder, not a recipe", where=name_or_path, remedy="give the lilm.toml in it")
        if not path.is_file():
            raise LilmError("no such recipe", where=name_or_path, remedy="`lilm init DIR` writes one")
        data = path.read_bytes()
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise LilmError("UTF-16, not UTF-8", where=name_or_path, remedy="save it as UTF-8")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise LilmError(f"not UTF-8 ({error})", where=name_or_path, remedy="save it as UTF-8") from error
        return parse_recipe(text, str(path), path.resolve().parent, changes)
    return parse_recipe(recipe_text(name_or_path), f"recipe {name_or_path}", Path.cwd(), changes)


def parse_recipe(text: str, where: str, folder: Path, changes: Mapping[str, Any] = MappingProxyType({})) -> Recipe:
    try:
        found = tomllib.loads(text.replace("\r\n", "\n"))
        for key, value in changes.items():
            lay(found, key, value)
        data = _absolute(found, folder, where)
    except ValueError as error:  # also a number of thousands of digits
        paths = "; a path with \\ stands in 'single quotes'" if "\\" in text else ""
        remedy = f"mend that line{paths}"
        raise LilmError(f"not TOML: {_short(str(error))}", where=where, remedy=remedy) from error
    except RecursionError as error:
        raise LilmError("not a recipe: nested too deep", where=where, remedy="take out what is nested") from error
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        # an unknown key first: a misspelt one also makes the right one missing
        first = min(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
        more = f" ({error.error_count() - 1} more)" if error.error_count() > 1 else ""
        what, remedy = _explained(first)
        if first["type"] != "extra_forbidden":
            raise LilmError(what + more, where=where, remedy=remedy) from error
        keys = tuple(_named(entry) for entry in error.errors() if entry["type"] == "extra_forbidden")
        raise UnknownKeys(keys, what + more, where=where, remedy=remedy) from error


def _named(error: Any) -> str:
    """The dotted key of one pydantic error."""
    return _short(".".join(str(part) for part in error["loc"])) or "recipe"


def _explained(error: Any) -> tuple[str, str]:
    """(what was found at which key, what is allowed) of one pydantic error."""
    key = _named(error)
    given = error["input"]
    found = "" if isinstance(given, dict | list | BaseModel) else f" (found {_short(repr(given))})"
    if error["type"] == "extra_forbidden":
        return f"unknown key {key}{found}", "known here: " + ", ".join(_known_keys(error["loc"][:-1]))
    if error["type"] == "missing":
        return f"missing key {key}", "add it"
    code = CODES.get(given.strip().lower()) if error["loc"][-1:] in LANGUAGES and isinstance(given, str) else None
    said = _short(error["msg"].removeprefix("Value error, "), 1_000)
    return f"{key}: {said}{found}", f'write "{code}"' if code else "correct that key"


def _short(text: str, longest: int = 200) -> str:
    return text if len(text) <= longest else text[:longest] + "…"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys allowed in the section at `location`."""
    model: Any = Recipe
    for part in location:
        if isinstance(part, str):
            model = model.model_fields[part].annotation
            arguments = getattr(model, "__args__", ())
            model = arguments[0] if arguments else model
    return sorted(model.model_fields)


LANGUAGES = (("language",), ("base_language",), ("lang",))  # last parts of keys whose values are codes
CODES = {"japanese": "ja", "jp": "ja", "jpn": "ja", "ja-jp": "ja", "日本語": "ja", "english": "en", "eng": "en",
         "en-us": "en", "us": "en", "chinese": "zh", "cn": "zh", "korean": "ko", "kr": "ko", "german": "de",
         "french": "fr", "spanish": "es", "vietnamese": "vi", "thai": "th", "indonesian": "id", "turkish": "tr",
         "arabic": "ar", "hindi": "hi", "swahili": "sw"}  # fmt: skip


# Keys whose values are paths, relative to the recipe.
PATHS = frozenset({"path", "earlier", "models", "hostfile", "imatrix"})


LONGEST_NAME, LONGEST_PATH = 255, 4095  # bytes; systems refuse to look for what is longer


def _absolute(value: Any, folder: Path, where: str, is_path: bool = False) -> Any:
    """The same TOML value with every non-empty path made absolute. Raises LilmError for one that no file can have."""
    if isinstance(value, list):
        return [_absolute(item, folder, where, is_path) for item in value]
    if isinstance(value, dict):
        return {key: _absolute(item, folder, where, is_path or key in PATHS) for key, item in value.items()}
    if not is_path or not isinstance(value, str) or not value:
        return value
    try:
        path = folder / Path(value.replace("\\", "/")).expanduser()  # backslashes of Windows
    except RuntimeError as error:  # ~somebody
        raise LilmError(f"no home folder for {_short(value)!r}", where=where, remedy="write the path out") from error
    longest = max(len(part.encode()) for part in path.parts)
    if longest > LONGEST_NAME or len(str(path).encode()) > LONGEST_PATH:
        what = f"a path too long for any file ({len(str(path).encode()):,} bytes): {_short(value, 40)!r}"
        raise LilmError(what, where=where, remedy="correct that key")
    return str(path)


def recipe_toml(recipe: Recipe) -> str:
    """The whole recipe, defaults filled in, as TOML."""
    return tomlkit.dumps(recipe.model_dump(mode="json", exclude_none=True))  # TOML has no null
