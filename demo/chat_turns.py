"""Messages as Gradio's chat box has them, which takes HTML, and what the browser does with them."""

import html
import json
import re
from typing import Any

from lilm.errors import LilmError
from lilm.llamacpp.messages import system_and_turns

# Who has moved on by the keyboard, or types somewhere else, stays there: this comes a moment after an answer has ended.
# The box takes the focus when Gradio has drawn it as one that can be written in.
TO_THE_BOX = """async () => {
    const box = document.querySelector("#message textarea");
    for (let tries = 0; box.disabled && tries < 50; tries++) await new Promise((then) => setTimeout(then, 20));
    if (!document.querySelector(":focus-visible")) box.focus();
}"""
# What the page has of this package, below /lilm/: its scripts, and those of the page in demo/site that they use.
OURS = (
    *("chat.js", "chat-talks.js", "chat-history.js", "chat-dialog.js", "chat-acts.js", "chat-end.js"),
    *(f"site/{name}.js" for name in ("composer", "conversation", "dom", "markdown", "notice", "record", "shelf")),
    *(f"site/{name}.js" for name in ("status", "store", "talks-view", "texts", "transfer")),
    "site/icons.svg",
)
START = '() => void import(new URL("lilm/chat.js", document.baseURI).href)'


def talks(call: str, given: str = "history, system") -> str:
    """JavaScript of an event that calls the script which keeps conversations."""
    return f'async ({given}) => (await import(new URL("lilm/chat-talks.js", document.baseURI).href)).{call}'


# Given the chats: see chat-end.js.
READY, BEGUN, STOPPED, CHANGED, ENDED, FAILED, CLOSED, SETTLED = (
    f'async (...chats) => (await import(new URL("lilm/chat-end.js", document.baseURI).href)).{name}(chats)'
    for name in ("ready", "begun", "stopped", "changed", "ended", "failed", "closed", "settled")
)
ASKING = talks("asking(message, chats)", "message, ...chats")
START_TALKS = talks("start(system)", "system")
KEEP = talks("keep(history, system)")
HAND_OVER = talks("handed()", "")
ARRIVED = talks("arrived(history, system)")
MISSED = talks("missed()", "")
# Given the chat and the system message: saves what `lilm chat --terminal` loads, without asking the server.
SAVE = """(history, system) => {
    const letters = { "&lt;": "<", "&gt;": ">", "&amp;": "&" };
    const text = (content) => typeof content === "string" ? content : content.map((part) => part.text ?? "").join("");
    const plain = (content) => text(content).replace(/&(lt|gt|amp);/g, (name) => letters[name]);
    const messages = (history ?? []).map(({ role, content }) => ({ role, content: plain(content) }));
    if (system?.trim()) messages.unshift({ role: "system", content: system.trim() });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify({ messages }, null, 1) + "\\n"]));
    link.download = "chat.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    return [];
}"""
# Gives the text of a file that the visitor chooses; "" where none is chosen, or it is too large for a chat.
CHOOSE = """() => new Promise((resolve) => {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = ".json,application/json";
    input.oncancel = () => resolve([""]);
    input.onchange = async () => resolve([input.files[0]?.size < 2 ** 24 ? await input.files[0].text() : ""]);
    input.click();
})"""
# The same where conversations are kept: this chat will be one of its own.
CHOOSE_TALK = talks(f"chosen({CHOOSE})", "")


ESCAPED = re.compile("&(lt|gt|amp);")  # what `shown` writes, and no other name of HTML: those are somebody's words
LETTERS = {"lt": "<", "gt": ">", "amp": "&"}


def shown(text: str) -> str:
    """`text` as Gradio's chat box, which takes HTML, shows it letter by letter. Half a surrogate pair, which neither
    Gradio's answers nor llama.cpp can hold, becomes a question mark."""
    return html.escape(text.encode(errors="replace").decode(), quote=False)


def plain(content: Any) -> str:
    """The text of a Gradio message: a string or a list of parts, escaped by `shown`."""
    if not isinstance(content, str):
        content = "".join(part if isinstance(part, str) else str(part.get("text", "")) for part in content)
    return ESCAPED.sub(lambda found: LETTERS[found[1]], content)


def turn(role: str, text: str) -> dict[str, Any]:
    """A message as a list of parts: Gradio takes a bare string for a docstring, and its indentation and tabs away."""
    return {"role": role, "content": [{"type": "text", "text": shown(text)}]}


def messages_of(history: list[dict[str, Any]], system: str) -> list[dict[str, str]]:
    """The chat as a model is asked, after `system` unless that is blank."""
    head = [{"role": "system", "content": system.strip()}] if system.strip() else []
    return [*head, *({"role": one["role"], "content": plain(one["content"])} for one in history)]


def loaded(text: str) -> tuple[list[dict[str, Any]], str]:
    """(history, system message) of a saved chat. Raises LilmError for a text that is none."""
    where = "the chat"
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LilmError(f"not JSON ({error})", where=where, remedy="choose a file that was saved here") from error
    system, turns = system_and_turns(found.get("messages") if isinstance(found, dict) else None, where)
    return [turn(one["role"], one["content"]) for one in turns], system


def is_asked(history: list[dict[str, Any]]) -> bool:
    """Whether the last message waits for an answer."""
    return bool(history) and history[-1]["role"] == "user"
