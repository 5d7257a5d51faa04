"""Renders Jinja chat templates in a child process, since a template comes with a model and may never end.

The child reads one JSON object from stdin, {"template", "tokens", "chats": [{"messages", "add_generation_prompt"}]},
and writes one to stdout, {"texts": [str | null], "errors": [str | null]}.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lilm
from lilm.chat import Message, Part
from lilm.errors import LilmError

SECONDS = 10  # for all chats of one call; they take milliseconds
REMEDY = 'mend the template, or set finetune.template = "plain"'
# -P keeps the working folder out of the import path; the package's own place goes to its end.
START = "import sys; sys.path.append(sys.argv[1]); from lilm.chat.rendering import main; main()"
# Private use characters: no template looks for them, and no message that is asked about a format has them.
MARK = "\ue0f0{}\ue0f1"


class TemplateFailure(LilmError):
    """The template is broken, refuses a chat, or does with messages what cannot be followed."""


def render_all(
    template: str, tokens: Mapping[str, str], chats: Sequence[tuple[Sequence[Message], bool]], where: str
) -> list[str | TemplateFailure]:
    """The text of each (messages, add_generation_prompt), or why the template refuses it.

    tokens: bos_token, eos_token, as the template may use them. where: what errors name.
    Raises TemplateFailure for a template that does not end in time or takes its process with it.
    """
    asked = [{"messages": list(messages), "add_generation_prompt": prompt} for messages, prompt in chats]
    task = json.dumps({"template": template, "tokens": dict(tokens), "chats": asked})
    root = str(Path(lilm.__file__).resolve().parent.parent)
    try:
        child = subprocess.run(
            [sys.executable, "-P", "-c", START, root], input=task.encode(), capture_output=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise TemplateFailure(
            f"the chat template does not end within {SECONDS} seconds", where=where, remedy=REMEDY
        ) from error
    if child.returncode:
        said = (child.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
        raise TemplateFailure(f"the chat template breaks its process ({said})", where=where, remedy=REMEDY)
    answer = json.loads(child.stdout)
    return [
        text if text is not None else TemplateFailure(f"the chat template fails: {error}", where=where, remedy=REMEDY)
        for text, error in zip(answer["texts"], answer["errors"], strict=True)
    ]


def rendered_parts(template: str, tokens: Mapping[str, str], messages: Sequence[Message], where: str) -> list[Part]:
    """The chat as the template writes it, up to where the answer begins, whatever template it is.

    Each message's words are kept out of it and put in after. Raises TemplateFailure.
    """
    marked = [{**message, "content": MARK.format(at)} for at, message in enumerate(messages)]
    (text,) = render_all(template, tokens, [(marked, True)], where)
    if isinstance(text, TemplateFailure):
        raise text
    between = split_at_marks(text, len(messages), where)
    parts = [Part(between[0], False)]
    for message, after in zip(messages, between[1:], strict=True):
        parts += [Part(message["content"], True), Part(after, False)]
    return parts


def split_at_marks(text: str, count: int, where: str) -> list[str]:
    """The count + 1 texts around the marks 0, 1, … Raises TemplateFailure when one is missing, twice or misplaced."""
    between = []
    for at in range(count):
        before, mark, text = text.partition(MARK.format(at))
        between.append(before)
        if not mark:
            break
    if len(between) != count or any(MARK[0] in piece for piece in (*between, text)):
        raise TemplateFailure("the chat template drops, repeats or moves messages", where=where, remedy=REMEDY)
    return [*between, text]


def main() -> None:
    """The child. Settings are those of transformers' `apply_chat_template`, but for `strftime_now`: a format with
    today's date in it would be another one tomorrow; templates that ask for it have a fixed one for its absence."""
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> None:
        raise jinja2.TemplateError(message)

    def to_json(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    task = json.load(sys.stdin)
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    texts: list[str | None] = []
    errors: list[str | None] = []
    for chat in task["chats"]:
        text, failed = None, None
        try:
            text = environment.from_string(task["template"]).render(**chat, **task["tokens"])
        except Exception as error:  # a template can raise anything
            failed = " ".join(f"{type(error).__name__}: {error}".split())
        texts.append(text)
        errors.append(failed)
    json.dump({"texts": texts, "errors": errors}, sys.stdout)
