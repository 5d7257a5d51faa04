"""What the Gradio chat knows of a message beside its words: how an answer ended, what a question replaces.

It travels with the message, in its `metadata`: Gradio shows nothing of `log` where there is no title. The page's own
scripts keep conversations by it (chat-history.js), and take back what stays without an answer (chat-end.js).
"""

import json
import secrets
from collections.abc import Sequence
from typing import Any

from lilm.demo.chat_turns import is_asked, plain, turn
from lilm.llamacpp.answers import Outcome

Turn = dict[str, Any]

# The states of the last message: ASKED, a question whose answer is awaited; MORE, an answer that is to go on; GROWING,
# one that is being written; else how it ended, by the browser runtime's names (demo/site/record.js).
ASKED, MORE, GROWING = "asked", "more", "growing"
BROKEN, STOPPED, EOS, LENGTH, FULL = "writing", "aborted", "eos", "length", "context_full"


def noted(message: Turn, **note: Any) -> Turn:
    """`message` with what is known of it in place of what was."""
    bare = {key: message[key] for key in ("role", "content")}
    return {**bare, "metadata": {"log": json.dumps(note)}} if note else bare


def note_of(message: Turn) -> dict[str, Any]:
    """{} for a message of which nothing is known. It comes from the browser: nothing in it is certain."""
    try:
        found = json.loads((message.get("metadata") or {}).get("log") or "{}")
    except (AttributeError, TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def as_asked(history: list[Turn]) -> list[Turn]:
    """What a browser sent as it can be sent back, with what is known of the last message."""
    turns = [turn(one["role"], plain(one["content"])) for one in history]
    return [*turns[:-1], noted(turns[-1], **note_of(history[-1]))] if turns else turns


def is_awaited(history: list[Turn]) -> bool:
    """Whether the last message waits for an answer, or for the rest of it."""
    return is_asked(history) or (bool(history) and note_of(history[-1]).get("state") == MORE)


def awaited(message: Turn, state: str, **note: Any) -> Turn:
    """`message` as the last one, whose answer is awaited. That has an id: the page may hear late of an earlier one."""
    return noted(message, state=state, id=secrets.token_hex(8), **note)


def with_question(kept: list[Turn], text: str, instead_of: Sequence[Turn] = ()) -> list[Turn]:
    """`kept` and a question, which stands in the place of other messages until an answer comes."""
    was = [[one["role"], plain(one["content"])] for one in instead_of]
    return [*kept, awaited(turn("user", text), ASKED, **({"was": was} if was else {}))]


def asked_again(history: list[Turn]) -> list[Turn]:
    """The last question, asked once more. Without one nothing is asked."""
    end = len(history)
    while end and history[end - 1]["role"] == "assistant":
        end -= 1
    return with_question(history[: end - 1], plain(history[end - 1]["content"]), history[end - 1 :]) if end else []


def asked_for_more(history: list[Turn]) -> list[Turn]:
    """The last answer is to go on, or the last question to be answered at last."""
    if not history or is_asked(history):
        return asked_again(history)
    return [*history[:-1], awaited(history[-1], MORE)]


def broken_off(history: list[Turn]) -> list[Turn]:
    """Where an answer is awaited or written, none comes any more: an error stands in the way. The page takes back what
    stays without an answer."""
    note = note_of(history[-1]) if history else {}
    if note.get("state") not in (ASKED, MORE, GROWING):
        return history
    return [*history[:-1], noted(history[-1], **{**note, "broken": True})]


def ended(outcome: Outcome, n_ctx: int) -> dict[str, Any]:
    """The note of an answer that is whole, or as long as it may be."""
    cut = FULL if outcome.context_tokens >= n_ctx else LENGTH
    state = {"stop": EOS, "length": cut}.get(outcome.finish, STOPPED)
    figures = {"tokens": outcome.tokens, "seconds": outcome.seconds, "context": outcome.context_tokens}
    return {"state": state, **figures}
