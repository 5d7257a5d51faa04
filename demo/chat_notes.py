"""What the Gradio chat knows of a message beside its words: how an answer ended, what a question replaces.

It travels with the message, in its `metadata`: Gradio shows nothing of `log` where there is no title. The page's own
scripts (chat-history.js) keep conversations by it.
"""

import json
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


def with_question(kept: list[Turn], text: str, instead_of: Sequence[Turn] = ()) -> list[Turn]:
    """`kept` and a question, which stands in the place of other messages until an answer comes."""
    was = [[one["role"], plain(one["content"])] for one in instead_of]
    return [*kept, noted(turn("user", text), state=ASKED, **({"was": was} if was else {}))]


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
    return [*history[:-1], noted(history[-1], state=MORE)]


def ended(outcome: Outcome, n_ctx: int) -> dict[str, Any]:
    """The note of an answer that is whole, or as long as it may be."""
    cut = FULL if outcome.context_tokens >= n_ctx else LENGTH
    state = {"stop": EOS, "length": cut}.get(outcome.finish, STOPPED)
    figures = {"tokens": outcome.tokens, "seconds": outcome.seconds, "context": outcome.context_tokens}
    return {"state": state, **figures}


def given_back(history: list[Turn]) -> tuple[list[Turn], str]:
    """(history, text for the message box) when no more comes. An answer that was growing stays, stopped. A question
    that no word has come to goes, and what it stood in the place of comes back."""
    if not history:
        return history, ""
    *kept, last = history
    note = note_of(last)
    if last["role"] == "assistant":
        if note.get("state") == GROWING:
            return [*kept, noted(last, **{**note, "state": STOPPED})], ""
        return ([*kept, noted(last)] if note.get("state") == MORE else history), ""
    was = [turn(one[0], one[1]) for one in _pairs(note.get("was"))]
    text = plain(last["content"])
    return [*kept, *was], "" if was and plain(was[0]["content"]) == text else text


def _pairs(found: Any) -> list[list[str]]:
    """What `with_question` has written, as the browser gives it back."""
    if not isinstance(found, list):
        return []
    good = (isinstance(one, list) and len(one) == 2 and one[0] in ("user", "assistant") for one in found)
    return found if all(good) and all(isinstance(text, str) for _, text in found) else []
