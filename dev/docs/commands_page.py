"""The reference of the command line, out of its own help."""

from typing import Any

import typer.main
from words import first_and_rest, said

from lilm.cli.entry import make_app
from lilm.report.markdown import code, table

HEAD = """<!-- Written by dev/docs/generate.py out of lilm/cli/: change it there. -->

# Every command

`lilm COMMAND --help` says the same in a terminal. What the user can mend is one line on stderr and exit code 2. Long
work that was stopped, by Ctrl-C too, goes on when the same command is given again.
"""


def commands_page() -> str:
    """The whole page, in the order of `lilm --help`."""
    app: Any = typer.main.get_command(make_app())
    parts = [HEAD]
    for name, command in app.commands.items():
        _describe(f"lilm {name}", command, "##", parts)
    return "\n".join(parts)


def _describe(name: str, command: Any, level: str, parts: list[str]) -> None:
    shown = [one for one in command.params if not one.hidden and "--help" not in one.opts]
    arguments = [_argument(one) for one in shown if not _is_option(one)]
    inner = getattr(command, "commands", {})
    parts.append(f"{level} {code(name)}\n")
    words, examples = first_and_rest((command.callback.__doc__ if hasattr(command, "commands") else command.help) or "")
    parts += [said(part) + "\n" for part in words.split("\n\n")]
    usage = " ".join([name, *arguments, "[OPTIONS]"] if any(map(_is_option, shown)) else [name, *arguments])
    parts.append(f"```text\n{usage}\n```\n")
    if examples:
        parts.append(said(examples) + "\n")
    rows = [_row(one) for one in shown if one.help or _is_option(one)]
    if rows and any(default for _, _, default in rows):
        parts.append(table(("", "what it is", "default"), rows) + "\n")
    elif rows:
        parts.append(table(("", "what it is"), [row[:2] for row in rows]) + "\n")
    for more, one in inner.items():
        _describe(f"{name} {more}", one, "###", parts)


def _is_option(parameter: Any) -> bool:
    return any(one.startswith("-") for one in parameter.opts)


def _argument(parameter: Any) -> str:
    word = str(parameter.metavar or parameter.name.upper()).replace("[[", "[").replace("]...]", "]...")
    return word if parameter.required or word.startswith("[") else f"[{word}]"


def _row(parameter: Any) -> list[str]:
    if not _is_option(parameter):
        return [code(_argument(parameter)), said(parameter.help or ""), ""]
    takes = "" if parameter.is_flag else f" {parameter.metavar or _takes(parameter)}"
    default = parameter.default
    told = default not in (None, "", 0, False) or (default == 0 and parameter.name == "seed")
    names = "/".join((", ".join(parameter.opts), *parameter.secondary_opts))  # what turns it on, and what off
    return [code(names + takes), said(parameter.help or ""), code(str(default)) if told else ""]


def _takes(parameter: Any) -> str:
    """By what it is annotated with."""
    words = {"int": "N", "float": "NUMBER", "Path": "PATH", "str": "TEXT"}
    named = str(getattr(parameter.type_descriptor.annotation, "__name__", parameter.type_descriptor.annotation))
    return next((word for kind, word in words.items() if kind in named), "TEXT")
