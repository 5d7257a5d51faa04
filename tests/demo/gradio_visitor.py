"""Stand-ins for the model of the Gradio chat and for somebody who visits its page."""

import threading
import time
from collections.abc import Generator
from typing import Any

from playwright.sync_api import Locator, expect

from lilm.errors import LilmError
from lilm.llamacpp.answers import Answer, Order, Outcome

PATIENCE = 60_000  # milliseconds
FOCUSED = """() => {
  const one = document.activeElement;
  return (one.ariaLabel || one.labels?.[0]?.innerText || one.innerText || one.title || "").trim();
}"""


class Model:
    """Stands in for the model: says "<n> <question>" in pieces, n counting the answers. A question with "wait" is
    answered half, and the rest when `go_on` is set; "long" reaches the longest answer; "break" kills it half way;
    "refuse" is refused."""

    def __init__(self) -> None:
        self.asked: list[list[dict[str, str]]] = []
        self.go_on = threading.Event()

    def write(self, messages: list[dict[str, str]], order: Order) -> Answer:
        def pieces() -> Generator[str, None, Outcome]:
            self.asked.append(messages)
            question = next(one["content"] for one in reversed(messages) if one["role"] == "user")
            if messages[-1]["role"] == "assistant":
                yield " and the rest"
                return Outcome(5, 3, "stop", 0, 0.1, 0.1)
            if "refuse" in question:
                raise LilmError("it is too long", where="m.gguf", remedy="shorten it")
            if "silent" in question:
                self.go_on.wait(PATIENCE / 1000)
            yield f"{len(self.asked)} {question}"
            if "wait" in question:
                self.go_on.wait(PATIENCE / 1000)
            if "break" in question:
                raise LilmError("the model ended", where="m.gguf", remedy="ask again")
            yield " <b>!</b>"
            return Outcome(5, 4, "length" if "long" in question else "stop", 0, 0.1, 0.1)

        return Answer(pieces())


class Visitor:
    def __init__(self, page: Any) -> None:
        self.page = page
        self.asked: Locator = page.locator('#chat [data-testid="user"] .md')
        self.answers: Locator = page.locator("#chat .message.bot:not(.pending) .answer")
        self.more: Locator = page.get_by_role("button", name="Continue")
        self.place: Locator = page.locator("#chat .place")
        self.rows: Locator = page.locator("#talk-list .talk span")

    def write(self, text: str) -> None:
        box = self.page.locator("#message textarea")
        expect(box).to_be_enabled()
        box.fill(text)
        box.press("Enter")

    def ask(self, text: str) -> None:
        count = self.answers.count()
        self.write(text)
        expect(self.answers).to_have_count(count + 1)
        self.wait_until_free()

    def wait_until_free(self) -> None:
        expect(self.page.get_by_role("button", name="Send")).to_be_visible()
        expect(self.page.locator("#message textarea")).to_be_enabled()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def retry(self) -> None:
        self.press("Retry")

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def reach(self, name: str) -> None:
        """Tab leads from where the focus is to what has this name, at most once around the page."""
        passed = []
        for _ in range(60):
            self.page.keyboard.press("Tab")
            passed.append(self.page.evaluate(FOCUSED))
            if passed[-1].startswith(name):
                return
        raise AssertionError(f"no {name} among {passed}")

    def list(self) -> None:
        self.page.locator("#open-talks").click()
        expect(self.page.locator("#talks")).to_be_visible()

    def stored(self, wanted: str) -> None:
        """Waits until an answer of the newest conversation is written down as `wanted` (a JavaScript expression of
        `said`, its last message)."""
        script = """async () => {
            const request = indexedDB.open("lilm /");
            const database = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
            const all = database.transaction("conversations").objectStore("conversations").getAll();
            const talks = await new Promise((resolve) => (all.onsuccess = () => resolve(all.result)));
            database.close();
            const said = talks.sort((one, other) => other.changed - one.changed)[0]?.messages.at(-1);
            return Boolean(said) && (%s);
        }"""
        until = time.monotonic() + PATIENCE / 1000
        while not self.page.evaluate(script % wanted):  # wait_for_function takes a promise for true
            assert time.monotonic() < until, wanted
            self.page.wait_for_timeout(50)
