"""Answers in the Gradio chat are shown as Markdown, in Chromium; what is copied, saved and edited is the source."""

import json
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from lilm.llamacpp.answers import Answer, Order, Outcome
from lilm.llamacpp.chat import ChatEngine

PATIENCE = 60_000  # milliseconds
CODE = '    def f(x):\n\tif x < 1 and "&lt;" != "&":\n            return ' + "'long' + " * 30 + "''"
HARMFUL = (
    "<script>window.broken = 1</script> <img src=x onerror=window.broken=1> ![x](http://example.com/a.png) "
    "![x](a.png) [x](javascript:window.broken=1) [x](http://example.com/)"
)
TABLE = f"| a | b |\n|---|---:|\n| x < y | {'wide' * 40} |"
ANSWER = f"# Head\n\n- **one** for $5 or $6, $$7$$\n  1. two\n\n{TABLE}\n\n```python\n{CODE}\n```\n\n{HARMFUL}"
TYPED = "- **a**\n\t- ![x](a.png) <b> &lt; $$x$$ and $$y$$"


class Told:
    """What the stand-in for the model says, in pieces; after `stop_at` letters it waits for `go_on`."""

    def __init__(self, answer: str, stop_at: int = 0) -> None:
        self.answer, self.stop_at = answer, stop_at
        self.go_on = threading.Event()
        self.asked: list[list[dict[str, str]]] = []

    def write(self, messages: list[dict[str, str]], order: Order) -> Answer:
        def pieces() -> Generator[str, None, Outcome]:
            self.asked.append(messages)
            if self.stop_at:
                yield self.answer[: self.stop_at]
                self.go_on.wait(PATIENCE / 1000)
            for at in range(self.stop_at, len(self.answer), 64):
                yield self.answer[at : at + 64]
            return Outcome(1, 1, "stop", 0, 0.1, 0.1)

        return Answer(pieces())


@pytest.fixture
def visit(browser: Any, address: str, at_home: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    expect.set_options(timeout=PATIENCE)

    def asked(told: Told, text: str = TYPED, before: str = "", **options: Any) -> Any:
        monkeypatch.setattr(ChatEngine, "write", lambda engine, messages, order: told.write(messages, order))
        context = browser.new_context(locale="en-US", permissions=["clipboard-read", "clipboard-write"], **options)
        at_home(context, address)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.add_init_script(before)
        page.goto(address)
        page.locator("#message textarea").fill(text)
        page.locator("#message textarea").press("Enter")
        expect(page.locator(".answer")).not_to_be_empty()
        return page

    yield asked
    for context in browser.contexts:
        context.close()


def wait_until_free(page: Any) -> None:
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def clipboard(page: Any) -> str:
    return page.evaluate("navigator.clipboard.readText()")


def test_an_answer_is_shown_as_markdown_and_stays_its_source(visit: Any) -> None:
    told = Told(ANSWER)
    page = visit(told, viewport={"width": 390, "height": 900})
    wait_until_free(page)
    answer = page.locator(".answer")
    expect(answer.locator("h3")).to_have_text("Head")
    expect(answer.locator("li strong")).to_have_text("one")
    expect(answer.locator("ul > li > ol > li")).to_have_text("two")
    assert "$5 or $6, $$7$$" in answer.locator("ul").inner_text()
    assert answer.locator("td").first.text_content() == "x < y"
    assert answer.locator("pre code").text_content() == CODE
    assert answer.locator("> p").inner_text() == HARMFUL
    assert page.locator("#chat :is(.answer, .message.user) :is(script, img, a, iframe, .katex)").count() == 0
    assert page.evaluate("window.broken") is None
    expect(page.locator("#chat .bot .md")).to_be_hidden()
    typed = page.locator("#chat .message.user .md")  # people's messages are shown as they typed them
    assert typed.text_content() == TYPED and typed.inner_text() == TYPED
    for box in (".table", "pre"):  # what is wide scrolls in its own box, and the page does not
        assert answer.locator(box).evaluate("box => box.scrollWidth > box.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    answer.get_by_role("button", name="Copy").click()
    expect(answer.get_by_role("button", name="Copied")).to_be_visible()
    assert clipboard(page) == CODE
    page.get_by_role("button", name="Copy message").last.click()
    page.evaluate(
        "async () => { while (!(await navigator.clipboard.readText()).startsWith('# Head'))"
        " await new Promise((go) => setTimeout(go, 50)); }"
    )
    assert clipboard(page) == ANSWER
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save chat").click()
    messages = json.loads(saved.value.path().read_text(encoding="utf-8"))["messages"]
    assert messages == [{"role": "user", "content": TYPED}, {"role": "assistant", "content": ANSWER}]
    page.locator("#message textarea").fill("more")
    page.locator("#message textarea").press("Enter")
    expect(page.locator(".answer")).to_have_count(2)
    assert told.asked[1] == [*messages, {"role": "user", "content": "more"}]


def test_the_box_to_edit_has_what_was_typed(visit: Any) -> None:
    told = Told("ok")
    page = visit(told)
    wait_until_free(page)
    page.locator("#chat .message.user").hover()
    page.get_by_role("button", name="Edit").first.click()
    box = page.locator("#chat textarea.edit-textarea")
    expect(box).to_have_value(TYPED)
    box.press("Control+End")
    box.press_sequentially(" &gt; <i>")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#chat .message.user .md")).to_have_text(f"{TYPED} &gt; <i>")
    while len(told.asked) < 2:  # Send is there until the server has heard of it
        page.wait_for_timeout(100)
    assert told.asked[-1] == [{"role": "user", "content": f"{TYPED} &gt; <i>"}]


def test_an_answer_is_markdown_while_it_comes_and_what_is_done_stays(visit: Any) -> None:
    told = Told(ANSWER, stop_at=ANSWER.index("return"))
    page = visit(told)
    code = page.locator(".answer pre code")
    assert CODE.startswith(code.text_content()) and "def f" in code.text_content()
    page.evaluate("window.head = document.querySelector('.answer h3')")
    told.go_on.set()
    wait_until_free(page)
    assert code.text_content() == CODE
    assert page.evaluate("window.head === document.querySelector('.answer h3')"), "it was not drawn again"


def test_without_https_what_is_copied_is_the_source(visit: Any) -> None:
    page = visit(Told(ANSWER), before="delete Navigator.prototype.clipboard")
    wait_until_free(page)
    box = page.locator("#message textarea")
    for name, source in (("Copy message", ANSWER), ("Copy", CODE)):
        page.get_by_role("button", name=name, exact=True).last.click()
        box.fill("")
        box.press("Control+v")
        expect(box).to_have_value(source)


def test_a_long_answer_costs_the_page_little(visit: Any) -> None:
    """4,000 tokens at once are drawn in a fraction of what a redraw may take."""
    page = visit(Told("ok"))
    wait_until_free(page)
    took = page.evaluate(
        """async (source) => {
          const text = document.querySelector(".bot .message-content > .md");
          const times = [];
          for (let end = source.length - 64 * 20; end < source.length; end += 64) {
            const began = performance.now();
            text.textContent = source.slice(0, end);
            await 0; await 0; // the page looks before anything is painted
            if (!document.querySelector(".answer").textContent.length) throw new Error("not drawn");
            times.push(performance.now() - began);
          }
          return times.sort((a, b) => a - b)[10];
        }""",
        (ANSWER + "\n\n") * (16_000 // len(ANSWER)),
    )
    assert took < 50, f"{took} ms"
