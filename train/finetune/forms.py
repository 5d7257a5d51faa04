"""In which form a record holds a conversation: which of its keys are messages, roles and words."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lilm.errors import LilmError
from lilm.recipe import ChatSourceConfig
from lilm.train.finetune.messages import role_of, shown

FIELDS = ("messages", "conversations", "conversation", "utterances", "dialogue", "turns")
SPEAKER = "interlocutor_id"  # of talk between people, who have no roles
TURN_KEYS = (("role", "content"), ("from", "value"), ("name", "text"), ("role", "text"), (SPEAKER, "text"))
QUESTION, GIVEN, ANSWER = ("instruction",), ("input", "context"), ("output", "response")  # Alpaca's, Dolly's
SYSTEM = ("system", "system_prompt", "system_message")  # keys of a system message that stands beside the messages
HISTORY = "history"  # what was said before Alpaca's instruction, in [question, answer] pairs
REMEDY = "set the `format` that the file has; for messages and hub also `field`"


class Form(NamedTuple):
    """kind: "turns" for a list of messages, "alpaca" for one question and answer, "tree" for a nested message tree of
    OpenAssistant, "rows" for one message of such a tree in each record. field: key of the messages; role, text: keys
    of a message."""

    kind: str
    field: str = ""
    role: str = "role"
    text: str = "content"

    def __str__(self) -> str:
        if self.kind == "turns":
            return f"turns of {{{self.role}, {self.text}}} in {self.field!r}"
        return {"alpaca": "instruction and answer", "tree": "OpenAssistant trees", "rows": "OpenAssistant messages"}[
            self.kind
        ]


FORMS = {  # by the recipe's `format`; `field` is the source's where it is empty
    "messages": Form("turns"),
    "utterances": Form("turns", "utterances", "name", "text"),
    "sharegpt": Form("turns", "conversations", "from", "value"),
    "alpaca": Form("alpaca"),
}


def known_form(source: ChatSourceConfig) -> Form | None:
    """The form that the recipe says; None where the records tell it."""
    form = FORMS.get(source.format)
    return form and form._replace(field=form.field or source.field)


def told_form(entry: Mapping[str, Any], field: str) -> Form | None:
    """The form that a record has; None when it has none that LiLM knows. field: where its messages are looked for
    first."""
    tree = entry.get("prompt")
    if (isinstance(tree, dict) and "text" in tree) or isinstance(entry.get("replies"), list):
        return Form("tree")
    if {"message_id", "parent_id", "role"} <= entry.keys():
        return Form("rows")
    for key in (field, *FIELDS):
        turns = entry.get(key)
        turn = next((turn for turn in turns if isinstance(turn, dict)), {}) if isinstance(turns, list) else {}
        for role, text in TURN_KEYS:
            if role in turn and (text in turn or "tool_calls" in turn):
                return Form("turns", key, role, text)
    if _is_alpaca(entry):
        return Form("alpaca")
    broken = next((key for key in (field, *FIELDS) if isinstance(entry.get(key), list) and entry[key]), None)
    return Form("turns", broken) if broken else None  # what is wrong with its messages is said then


def turns_of(entry: Mapping[str, Any], form: Form, where: str) -> Any:
    """What should be the record's list of messages, after the system message that may stand beside it.

    A record with Alpaca's keys may stand among others. Raises LilmError for one without any messages.
    """
    system = system_of(entry)
    if _is_alpaca(entry) and (form.kind == "alpaca" or form.field not in entry):
        messages: Any = _one_exchange(entry, form, where)
    elif form.kind == "turns" and form.field in entry:
        messages = entry[form.field]
        if form.role == SPEAKER and isinstance(messages, list):
            messages = _with_roles(messages, where)
    else:
        wanted = repr(form.field) if form.kind == "turns" else "'instruction' and 'output'"
        raise LilmError(f"no {wanted} in it (found {shown(', '.join(entry))})", where=where, remedy=REMEDY)
    if isinstance(messages, list) and system is not None and not _begins_with(system, messages, form):
        return [{form.role: "system", form.text: system}, *messages]
    return messages


def system_of(entry: Mapping[str, Any]) -> Any:
    """What should be the system message that stands beside a record's messages; None where none does."""
    return next((entry[key] for key in SYSTEM if entry.get(key) is not None), None)


def _begins_with(system: Any, messages: list[Any], form: Form) -> bool:
    """Whether the system message that stands beside the messages is the first of them too: it would be read twice."""
    first = messages[0] if messages else None
    if not isinstance(first, dict) or role_of(first.get(form.role)) != "system":
        return False
    there = first.get(form.text)
    return there == system or (isinstance(there, str) and isinstance(system, str) and there.strip() == system.strip())


def _is_alpaca(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("instruction"), str) and any(key in entry for key in ANSWER)


def _one_exchange(entry: Mapping[str, Any], form: Form, where: str) -> list[dict[str, Any]]:
    given = next((entry[key] for key in GIVEN if entry.get(key)), "")
    if not isinstance(given, str):
        raise LilmError(f"an input that is {shown(given)}", where=where, remedy="input is a string, or left out")
    question = "\n".join(text for text in (entry["instruction"], given) if text)
    answer = next(entry[key] for key in ANSWER if key in entry)
    before = entry.get(HISTORY) or []
    if not isinstance(before, list) or any(not isinstance(pair, list | tuple) or len(pair) != 2 for pair in before):
        what, remedy = f"a {HISTORY} that is {shown(before)}", "write [[question, answer], …], or leave it out"
        raise LilmError(what, where=where, remedy=remedy)
    roles = "user", "assistant"
    return [
        {form.role: role, form.text: text}
        for pair in (*before, (question, answer))
        for role, text in zip(roles, pair, strict=True)
    ]


def _with_roles(messages: list[Any], where: str) -> list[Any]:
    """Of two people, the one who speaks first is the user."""
    names = list(dict.fromkeys(str(turn.get(SPEAKER)) for turn in messages if isinstance(turn, dict)))
    if len(names) > 2:
        raise LilmError(f"{len(names)} people talk in it", where=where, remedy="leave it out: a chat is between two")
    roles = dict(zip(names, ("user", "assistant"), strict=False))
    return [{**turn, SPEAKER: roles[str(turn.get(SPEAKER))]} if isinstance(turn, dict) else turn for turn in messages]
