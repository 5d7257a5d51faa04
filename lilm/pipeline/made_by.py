"""Which code and which libraries made a stage's folder: after an update, what was changed runs again, and only that."""

import ast
import hashlib
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from lilm import __version__

PACKAGE = "lilm"
EXEMPT = tuple(f"{PACKAGE}.{name}" for name in ("cli", "commands", "errors", "pipeline", "progress", "recipe"))
"""What runs the stages and tells of them: no byte of theirs follows from it. A recipe's values stand in the config."""
DIGITS = 12  # of a hash, which tells the versions of one file apart
MODULE = re.compile(rf"{PACKAGE}(\.[A-Za-z_]\w*)+")
NO_DATA = {".py", ".pyc", ".so", ".pyd"}


@dataclass(frozen=True)
class Source:
    """own: LiLM's modules that it names. libraries: other modules that it imports, by their first name."""

    digest: str
    own: frozenset[str]
    libraries: frozenset[str]


@cache
def code_of(module: str) -> dict[str, str]:
    """Hashes of `module`, of all of LiLM's modules that it needs, and of the data files beside them, by name."""
    sources = _sources(module)
    packages = {name if _is_package(name) else name.rpartition(".")[0] for name in sources}
    found = {name: source.digest for name, source in sources.items()}
    for package in packages - {PACKAGE}:
        found |= dict(_data_files(package))
    return dict(sorted(found.items()))


def libraries_of(module: str) -> dict[str, str]:
    """Versions by name: LiLM's, Python's, and those of all that the modules of `code_of` import."""
    imported = {name for source in _sources(module).values() for name in source.libraries}
    names = sorted({name for one in imported for name in _by_module().get(one, ())})
    own = {PACKAGE: __version__, "python": platform.python_version()}
    return own | {name: metadata.version(name) for name in names if name != PACKAGE}


@cache
def _by_module() -> Mapping[str, Sequence[str]]:
    """Names of packages by the modules that they install. It reads the lists of all files installed: a second."""
    return metadata.packages_distributions()


def changed_code(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names that only one of the two has, or with another hash."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def _sources(module: str) -> dict[str, Source]:
    found: dict[str, Source] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and not any(name == one or name.startswith(one + ".") for one in EXEMPT):
            found[name] = _read(name)
            waiting.extend(found[name].own)
    return found


@cache
def _read(module: str) -> Source:
    path = _path(module)
    if path is None or path.suffix != ".py":  # the compiled part
        return Source(_hash(path.read_bytes() if path else b""), frozenset(), frozenset())
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    named = set(_named(tree))
    own = {name for one in named if one.split(".")[0] == PACKAGE for name in _modules_in(one)}
    libraries = {one.split(".")[0] for one in named} - {PACKAGE}
    return Source(_hash("\n".join(_code_lines(text, tree)).encode()), frozenset(own), frozenset(libraries))


def _named(tree: ast.Module) -> Iterator[str]:
    """Dotted names of what is imported, with the imported names at their ends, and of modules given as strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and MODULE.fullmatch(node.value):
            yield node.value


def _modules_in(name: str) -> Iterator[str]:
    """The module of that name, when there is one, and the packages that it lies in."""
    parts = name.split(".")
    for end in range(2, len(parts) + 1):
        one = ".".join(parts[:end])
        if _path(one) is not None:
            yield one


def _code_lines(text: str, tree: ast.Module) -> Iterator[str]:
    """Without docstrings and lines of comment, which change no byte of what is made."""
    said: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            said.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for number, line in enumerate(text.splitlines(), 1):
        if number not in said and line.strip() and not line.lstrip().startswith("#"):
            yield line.rstrip()


def _data_files(package: str) -> Iterator[tuple[str, str]]:
    path = _path(package)
    if path is not None:
        for file in _files_of(path.parent):
            name = f"{package}/{file.relative_to(path.parent).as_posix()}"
            yield name, _hash(file.read_bytes())


def _files_of(folder: Path) -> Iterator[Path]:
    """Files that are no Python, those in folders too that are no packages."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name != "__pycache__" and not (path / "__init__.py").is_file():
                yield from _files_of(path)
        elif path.suffix not in NO_DATA:
            yield path


@cache
def _path(module: str) -> Path | None:
    """The file of one of LiLM's modules; a package's is its `__init__.py`. None when there is no such module."""
    if not module.startswith(PACKAGE + "."):
        return None
    first, *rest = module.split(".")[1:]
    top = find_spec(f"{PACKAGE}.{first}")
    if top is None or top.origin is None:
        return None
    if not rest:
        return Path(top.origin)
    if not top.submodule_search_locations:
        return None
    stem = Path(top.submodule_search_locations[0]).joinpath(*rest)
    compiled = sorted(stem.parent.glob(f"{stem.name}.*.so")) + sorted(stem.parent.glob(f"{stem.name}.*.pyd"))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py", *compiled) if path.is_file()), None)


def _is_package(module: str) -> bool:
    path = _path(module)
    return path is not None and path.name == "__init__.py"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGITS]
