"""`lilm init`: a recipe of one's own, by options or by questions."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from lilm.commands import command, quoted
from lilm.errors import LilmError
from lilm.recipe.own import SMOLLM2, Own, base_kind, language_code, toml_string
from lilm.report.units import count, size

FILE = "lilm.toml"


def write_shipped(folder: Path, recipe: str, title: str | None) -> None:
    """A shipped recipe to edit. title: of the page, and what the run is named after; None: the recipe's own."""
    from lilm.recipe import recipe_text

    text = recipe_text(recipe)
    if title is not None:
        own = Own(title, "", "")
        text = re.sub(r"(?m)^name = .*$", lambda match: f"name = {toml_string(own.name)}", text, count=1)
        text = re.sub(r"(?m)^title = .*$", lambda match: f"title = {toml_string(title)}", text, count=1)
    path = _write(folder, text)
    typer.echo(f"wrote {path}; edit it, then: {_next(folder, 'run')}")


def write_own(
    folder: Path, title: str | None, lang: str | None, text: str | None, base: str | None, leave_out: bool = False
) -> None:
    """A recipe for the user's text, complete. leave_out: files that are no text are; else they are refused, with the
    command that leaves them out. Raises LilmError when there is no text, or an answer cannot be."""
    if text is None:
        raise LilmError("no text", where="--text", remedy="give a folder or a file of your text")
    base, code = base or SMOLLM2, language_code(lang or "ja")
    kind, found = _base(base), _text(text, code)
    if found.refused and not leave_out:
        given = (("--name", title), ("--lang", lang), ("--text", text), ("--base", None if base == SMOLLM2 else base))
        words = [word for option, value in given if value is not None for word in (option, value)]
        again = command("init", folder, *words, "--leave-out")
        raise LilmError(found.refused, where=f"text {text}", remedy=f"{found.remedy}: `{again}`")
    own = Own(title or folder.resolve().name, code, _seen_from(text, folder), kind=kind, max_bad=found.max_bad,
              base=base if kind == "hub" or "://" in base else _seen_from(base, folder))  # fmt: skip
    path = _write(folder, own.recipe())
    typer.echo(f"wrote {path}: {own.title}, {own.lang}, {found.words}, {own.base}")
    _doubt(code)
    for note in filter(None, (found.marks, _often(path, found.bytes))):
        typer.echo(f"note: {note}")
    if found.refused:
        typer.echo(f"left out: {found.refused}")
    typer.echo(f"next: {_next(folder, 'plan', 'here')}   # how long it takes on this machine")
    typer.echo(f"then: {_next(folder, 'run')}")


def ask(folder: Path) -> None:
    """The same by questions; an answer that cannot be is told, and asked for again."""
    title = _answer("name of the model, as its page shows it", folder.resolve().name, str.strip)
    lang = _answer("language to learn (ja, ko, de …)", "ja", language_code)
    text = _answer("folder or file of your text", "", _checked(lambda said: _text(said, lang)))
    base = _answer("English Llama to begin with", SMOLLM2, _checked(_base))
    refused = _text(text, lang).refused
    write_own(folder, title, lang, text, base, bool(refused) and typer.confirm(f"{refused}; leave out?", default=True))


def _checked(check: Callable[[str], object]) -> Callable[[str], str]:
    """Answers what it is given, once `check` has not refused it."""

    def checked(said: str) -> str:
        check(said)
        return said

    return checked


def require_new(folder: Path) -> None:
    path = folder / FILE
    if path.exists():
        raise LilmError("there is one already", where=str(path), remedy="edit it, or give another folder")


def _answer(question: str, default: str, check: Callable[[str], str]) -> str:
    while True:
        said: str = typer.prompt(question, default=default or None)
        try:
            return check(said)
        except LilmError as error:
            typer.echo(f"  {error.line()}", err=True)


@dataclass(frozen=True)
class _Found:
    """words: "20 files of text, 1.2 MB". refused: which files are no text, "" where none is, and the remedy for the
    first. max_bad: the share of records that they are at most, "" for the default. marks: which are marked up. bytes:
    of what is read, 0 where that is not known."""

    words: str
    refused: str = ""
    remedy: str = ""
    max_bad: str = ""
    marks: str = ""
    bytes: int = 0


def _text(text: str, lang: str) -> _Found:
    """What is found at `text`. Raises LilmError when there is nothing that can be read."""
    from lilm.recipe import SourceConfig
    from lilm.train.corpus.sources import check_source
    from lilm.train.corpus.sources.files import is_compressed, matching_files
    from lilm.train.corpus.sources.look import look_through
    from lilm.train.corpus.sources.marks import said_of_marks
    from lilm.train.corpus.sources.registry import said_of_refused

    path = str(Path(text).expanduser().absolute())
    source = SourceConfig.model_validate({"name": "mine", "lang": lang, "path": path})
    try:
        files = matching_files(source)
        seen = look_through(source)
        nothing = len(seen.refused) == seen.records
        check_source(source, 0.0 if nothing else 1.0)
        if nothing:  # though the beginnings look like text
            what = said_of_refused(seen.refused, len(files)) if seen.refused else "no text in it"
            remedy = next((kind.remedy for kind in seen.refused.values()), "name files that have text")
            raise LilmError(what, remedy=remedy)
    except LilmError as error:
        raise LilmError(error.what, where=f"text {text}", remedy=error.remedy.split("; corpus.max_bad")[0]) from error
    read = [file for file in files if file not in seen.refused]
    total = sum(file.stat().st_size for file in read)
    found = _Found(
        f"{count(len(read))} file{'s' * (len(read) != 1)} of text, {size(total)}",
        marks=said_of_marks(read),
        bytes=0 if any(map(is_compressed, read)) else total,
    )
    if not seen.refused:
        return found
    first = next(iter(seen.refused.values()))
    told = said_of_refused(seen.refused, len(files))
    return replace(found, refused=told, remedy=first.remedy, max_bad=seen.max_bad)


def _often(path: Path, size: int) -> str:
    """Whether the recipe reads so many bytes of text more often than is of use."""
    from lilm.recipe import load_recipe
    from lilm.train.pretrain.often import BYTES_PER_TOKEN, said_of_often

    return said_of_often(load_recipe(path).pretrain, size / BYTES_PER_TOKEN) if size else ""


def _doubt(lang: str) -> None:
    """Say that a code may be a slip of the hand; rare languages have codes too."""
    from lilm.train.corpus.language import is_known

    if not is_known(lang):
        told = "web pages in other languages are not told from it"
        typer.echo(f"note: no language {lang!r} is known here; if it is one, {told}; if not, correct `language` there")


def _base(base: str) -> str:
    kind = base_kind(base)
    if kind != "hub" and "://" not in base and not Path(base).expanduser().exists():
        raise LilmError("no such file or folder", where=f"base {base}", remedy="correct it")
    return kind


def _seen_from(path: str, folder: Path) -> str:
    """A relative path as the recipe in `folder` names it; others stay."""
    if path.startswith("~") or Path(path).is_absolute():
        return path
    return Path(os.path.relpath(Path(path).absolute(), folder.resolve())).as_posix()  # as a recipe is read


def _write(folder: Path, text: str) -> Path:
    """The recipe, which can be read, or nothing."""
    from lilm.disk import write_atomic
    from lilm.recipe.files import parse_recipe

    require_new(folder)
    path = folder / FILE
    parse_recipe(text, str(path), folder.absolute())
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text)
    return path


def _next(folder: Path, *words: str) -> str:
    return f"cd {quoted(folder)} && {command(*words, folder=folder)}"
