"""Renders Jinja chat templates in a child process, since a template comes with a model and may never end.

The child reads one JSON object from stdin, {"template", "tokens", "limits", "chats": [{"messages",
"add_generation_prompt"}]}, and writes one to stdout, {"texts": [str | null], "errors": [str | null]}.
"""

import json
import math
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from lilm.chat import Message, Part
from lilm.child import child_command
from lilm.errors import LilmError

SECONDS = 5  # of a core's time, for all chats of one call, which take milliseconds; a busy machine counts for nothing
MEMORY = 1 << 30  # bytes of address space, of which Python and Jinja take 100 MB
LONGEST = 1_000_000  # characters of a chat without its messages' words
SHOWN = 300  # characters of what a template raises
REMEDY = 'mend the template, or set finetune.template = "plain"'
# Private use characters: no template looks for them, and no message that is asked about a format has them.
MARK = "\ue0f0{}\ue0f1"
PAD = " \t"  # put around words to see whether the template trims them


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
    limits = {"seconds": SECONDS, "memory": MEMORY, "longest": LONGEST}
    task = json.dumps({"template": template, "tokens": dict(tokens), "limits": limits, "chats": asked})
    child = subprocess.run(child_command("lilm.chat.rendering"), input=task.encode(), capture_output=True, check=False)
    if child.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise TemplateFailure(f"the chat template does not end within {SECONDS} seconds", where=where, remedy=REMEDY)
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

    Each message's words are kept out of it and put in after, trimmed where the template trims them. Raises
    TemplateFailure.
    """
    chats = [
        [{**message, "content": form(at)} for at, message in enumerate(messages)] for form in (MARK.format, padded)
    ]
    between, spaced = (
        split_at_marks(written(text), len(messages), where)
        for text in render_all(template, tokens, [(chat, True) for chat in chats], where)
    )
    parts = [Part(between[0], False)]
    for at, message in enumerate(messages):
        parts += [Part(trimmed(message["content"], trims(spaced, at)), True), Part(between[at + 1], False)]
    return parts


def padded(at: int) -> str:
    """The mark of a message with spaces around it."""
    return PAD + MARK.format(at) + PAD[::-1]


def trims(spaced: Sequence[str], at: int) -> tuple[bool, bool]:
    """Whether the template takes spaces from the left and the right of message `at`. spaced: the texts around padded
    marks."""
    return not spaced[at].endswith(PAD), not spaced[at + 1].startswith(PAD[::-1])


def trimmed(text: str, sides: tuple[bool, bool]) -> str:
    """`text` without the spaces on its left and its right, each where `sides` says so."""
    left, right = sides
    text = text.lstrip() if left else text
    return text.rstrip() if right else text


def written(text: str | TemplateFailure) -> str:
    """What the template wrote. Raises its failure."""
    if isinstance(text, TemplateFailure):
        raise text
    return text


def split_at_marks(text: str, count: int, where: str) -> list[str]:
    """The count + 1 texts around the marks 0, 1, … Raises TemplateFailure when one is missing, twice or misplaced."""
    between = []
    for at in range(count):
        before, mark, text = text.partition(MARK.format(at))
        if not mark:
            break
        between.append(before)
    if len(between) != count or any(MARK[0] in piece for piece in (*between, text)):
        raise TemplateFailure("the chat template drops, repeats or moves messages", where=where, remedy=REMEDY)
    return [*between, text]


def well_formed(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair, which no tokenizer takes; the browser's runtime gives the
    same."""
    return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")


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
    limits = task["limits"]
    end = math.ceil(time.process_time() + limits["seconds"])
    resource.setrlimit(resource.RLIMIT_CPU, (end, end))
    with suppress(ValueError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse

    def render(chat: Mapping[str, Any]) -> str:
        text = ""
        for piece in environment.from_string(task["template"]).generate(**chat, **task["tokens"]):
            if len(text) + len(piece) > limits["longest"]:
                raise ValueError(f"it writes more than {limits['longest']} characters")
            text += piece
        return well_formed(text)

    texts: list[str | None] = []
    errors: list[str | None] = []
    for chat in task["chats"]:
        text, failed = None, None
        try:
            text = render(chat)
        except Exception as error:  # a template can raise anything
            failed = " ".join(f"{type(error).__name__}: {str(error)[:SHOWN] or 'no reason given'}".split())
        texts.append(text)
        errors.append(failed)
    json.dump({"texts": texts, "errors": errors}, sys.stdout)
