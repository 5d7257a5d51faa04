"""A conversation as a file has it, whatever its keys are called, as messages of {role, content}."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from lilm.chat import WEIGHT, Message, is_learnt
from lilm.errors import LilmError

ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "ai": "assistant",
    "agent": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
}
CALLS = ("function_call", "tool_call")  # roles of ShareGPT for a call of a tool
TOOLS = (*CALLS, "tool", "function", "observation", "function_response", "tool_response", "ipython")
TEXT_PARTS = ("text", "input_text", "output_text")
LONGEST = 1_000_000  # characters of a chat; a longer one takes gigabytes to tokenise
SHOWN = 60  # characters of what was found
READ_ONLY = 0, "0"  # values of an answer's WEIGHT; others are what people give to what is learnt
MOST_TOOLS = 20  # names of tools that are told apart
OTHER_TOOLS = "calls of other tools"
BY_WEIGHT = "answers of weight 0, which are read and not learnt"
BY_TOOL = "answers by what a tool said, which are read and not learnt"
THOUGHTS = ("reasoning_content", "reasoning", "thinking")  # keys of what a model thought before its answer
THOUGHT = "thoughts beside an answer, for which no chat format here has a place"
UNANSWERED = "questions at the end of a chat, which nobody answers"
WORDLESS = "questions without words, whose answers are learnt"
JOINED = "messages of the one who spoke before, joined to one turn"
NOTED = (BY_WEIGHT, BY_TOOL, WORDLESS, JOINED)  # of which nothing is left out


def role_of(name: Any) -> str | None:
    """Of a speaker's name in a file, large letters or small; None for one that nobody knows."""
    return ROLES.get(_small(name))


def _small(name: Any) -> str:
    return name.strip().lower() if isinstance(name, str) else ""


class Chat(NamedTuple):
    """where: file and line, or entry, for errors. source: its name in the recipe."""

    messages: list[Message]
    where: str
    source: str


def to_messages(value: Any, role_key: str, text_key: str, where: str, left_out: Counter[str]) -> list[Message]:
    """The messages of one conversation up to its last answer that is learnt; none, counted in left_out, when there is
    no such answer.

    What one role says in several messages is one turn of several lines, and counted; an empty answer between them is
    none, and counted, as is a question that nobody answers. A turn of the user's without a word stays, and is counted.
    An answer of weight 0 is read and not learnt, and counted. A call of a tool and what the tool said, for which no
    chat format here has a place, are left out, the tool named in left_out; what the assistant then says to the question
    is read and not learnt, as nobody could know it. Thoughts beside an answer are left out, and counted.
    Raises LilmError naming `where`.
    """
    if not isinstance(value, list):
        raise LilmError(
            f"no list of messages but {shown(value)}", where=where, remedy="mend it, or set another `field` or `format`"
        )
    messages: list[Message] = []
    calls: list[dict[str, Any]] = []
    unlearnt: Counter[str] = Counter()
    empty, joined, by_tool, unanswered = 0, 0, False, False
    for item in value:
        if _is_of_tool(item, role_key):
            by_tool, unanswered = True, False
            calls.append(item)
            continue
        role, text = _turn(item, role_key, text_key, where)
        by_tool, unanswered = by_tool and role != "user", role == "user"
        if role == "assistant" and any(item.get(key) for key in THOUGHTS):
            unlearnt[THOUGHT] += 1
        if role == "assistant" and not text.strip():
            empty += 1
            continue
        read_only = role == "assistant" and (by_tool or item.get(WEIGHT) in READ_ONLY)
        if read_only:
            unlearnt[BY_TOOL if by_tool else BY_WEIGHT] += 1
        if messages and messages[-1]["role"] == role:
            before, joined = messages.pop(), joined + 1
            text, read_only = before["content"] + "\n" + text, read_only or WEIGHT in before
        messages.append({"role": role, "content": text.strip(), **({WEIGHT: "0"} if read_only else {})})
    answered = empty or any(message["role"] == "assistant" for message in messages)
    messages = [message for message in messages if message["content"] or message["role"] != "system"]
    while messages and not is_learnt(messages[-1]):
        messages.pop()
    left_out.update(unlearnt)
    if answered and unanswered:
        left_out[UNANSWERED] += 1
    if messages and joined:
        left_out[JOINED] += joined
    if wordless := sum(message["role"] == "user" and not message["content"] for message in messages):
        left_out[WORDLESS] += wordless
    _count_calls(calls, role_key, text_key, left_out)
    if not answered and not calls:
        left_out["chats without an assistant's turn"] += 1
    if empty:
        left_out["empty answers"] += empty
    if sum(len(message["content"]) for message in messages) > LONGEST:
        left_out[f"chats of more than {LONGEST} characters"] += 1
        return []
    return messages


def _turn(item: Any, role_key: str, text_key: str, where: str) -> tuple[str, str]:
    """(role, text) of a message."""
    remedy = f"{role_key} is one of {', '.join(ROLES)}, and {text_key} is a string"
    if not isinstance(item, dict):
        raise LilmError(f"a message that is {shown(item)}, not an object", where=where, remedy=remedy)
    role = role_of(item.get(role_key))
    text = _text(item.get(text_key))
    if role is None:
        raise LilmError(f"a message with {role_key}={shown(item.get(role_key))}", where=where, remedy=remedy)
    if text is None:
        raise LilmError(f"a message with {text_key}={shown(item.get(text_key))}", where=where, remedy=remedy)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LilmError(
            f"half a surrogate pair at character {error.start} of a message", where=where, remedy="mend or delete it"
        ) from error
    return role, text


def _text(content: Any) -> str | None:
    """A message's text, out of parts of text too; None when it has none, or something else beside it."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict) and part.get("type") in TEXT_PARTS]
        texts = [str(part["text"]) for part in parts if isinstance(part.get("text"), str)]
        return "\n".join(texts) if texts and len(texts) == len(content) else None
    return content if isinstance(content, str) else None


def _is_of_tool(item: Any, role_key: str) -> bool:
    return isinstance(item, dict) and bool(
        _small(item.get(role_key)) in TOOLS or item.get("tool_calls") or item.get("function_call")
    )


def _count_calls(items: Iterable[dict[str, Any]], role_key: str, text_key: str, left_out: Counter[str]) -> None:
    """Counts each call by the tool's name."""
    for name in (name for item in items for name in _called(item, role_key, text_key)):
        key = f"calls of the tool {shown(name)}"
        known = sum(other.startswith("calls of the tool ") for other in left_out)
        left_out[key if key in left_out or known < MOST_TOOLS else OTHER_TOOLS] += 1


def _called(item: dict[str, Any], role_key: str, text_key: str) -> list[Any]:
    """Names of the tools that a message calls, in OpenAI's keys or as ShareGPT has them, a call as JSON in the text."""
    calls = item.get("tool_calls")
    found = list(calls) if isinstance(calls, list) else []
    if item.get("function_call"):
        found.append(item["function_call"])
    if _small(item.get(role_key)) in CALLS:
        try:
            found.append(json.loads(str(item.get(text_key))))
        except (ValueError, RecursionError):
            found.append(None)
    named = [call.get("function", call) if isinstance(call, dict) else None for call in found]
    return [call.get("name") if isinstance(call, dict) else None for call in named]


def counted(left_out: Mapping[str, int]) -> list[str]:
    """What became of what is not learnt as it stands, a line each."""
    return [f"{'noted' if what in NOTED else 'left out'}: {count} {what}" for what, count in left_out.items()]


def shown(value: Any) -> str:
    """What was found, short enough for a message."""
    text = repr(value)[: SHOWN + 1]
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"
