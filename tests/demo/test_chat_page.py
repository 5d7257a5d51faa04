"""What visitors of the Gradio chat see, in Chromium: what is copied, and nothing typed is lost."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from lilm.demo.chat import launch

PATIENCE = 60_000  # milliseconds
TYPED = "a < b && c &lt; <b>d</b> *e* `f`\n\n1. <img src=x onerror=alert(1)> $x$"


class Visitor:
    """One visitor's page of the chat."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.box: Locator = page.locator("#message textarea")
        self.send: Locator = page.get_by_role("button", name="Send")
        self.stop: Locator = page.get_by_role("button", name="Stop", exact=True)
        self.asked: Locator = page.locator("#chat .message.user")
        self.answers: Locator = page.locator("#chat .message.bot:not(.pending)")  # three dots are none
        self.toast: Locator = page.locator(".toast-body")

    def ask(self, text: str) -> None:
        expect(self.box).to_be_enabled()
        self.box.fill(text)
        self.box.press("Enter")

    def wait_until_free(self) -> None:
        expect(self.send).to_be_visible()
        expect(self.box).to_be_enabled()
        expect(self.stop).to_be_hidden()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[[str], Visitor]]:
    expect.set_options(timeout=PATIENCE)

    def open_page(url: str) -> Visitor:
        context = browser.new_context(locale="en-US", permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        return Visitor(page)

    yield open_page
    for context in browser.contexts:
        context.close()


@pytest.fixture(scope="module")
def small_chat(chat_gguf: Path) -> Iterator[str]:
    page = launch(chat_gguf, block=False, threads=1)
    yield page.local_url
    page.close(verbose=False)


def test_what_is_copied_is_what_was_typed(visit: Callable[[str], Visitor], small_chat: str) -> None:
    visitor = visit(small_chat)
    visitor.ask(TYPED)
    expect(visitor.answers).to_have_count(1)
    visitor.wait_until_free()
    assert visitor.page.locator("#chat b, #chat .message img").count() == 0
    visitor.page.get_by_role("button", name="Copy conversation").click()
    visitor.page.evaluate(
        "async () => { while (!(await navigator.clipboard.readText()).includes('assistant:'))"
        " await new Promise((go) => setTimeout(go, 50)); }"
    )
    assert f"user: {TYPED}\n" in visitor.page.evaluate("navigator.clipboard.readText()")


def test_a_question_can_be_edited_and_the_chat_saved(visit: Callable[[str], Visitor], small_chat: str) -> None:
    visitor = visit(small_chat)
    for count, text in enumerate(("The mat", "The cat <b>"), 1):
        visitor.ask(text)
        expect(visitor.answers).to_have_count(count)
        visitor.wait_until_free()
    visitor.asked.first.hover()
    visitor.page.get_by_role("button", name="Edit").first.click()
    visitor.page.locator("#chat textarea").fill("The <b> door")
    visitor.page.get_by_role("button", name="Submit").click()
    expect(visitor.asked).to_have_count(1)
    expect(visitor.asked).to_have_text("The <b> door")
    expect(visitor.answers).to_have_count(1)
    visitor.wait_until_free()
    expect(visitor.page.locator("#meter")).to_contain_text("tokens/s")
    visitor.page.get_by_text("Settings").click()
    visitor.page.locator("#system textarea").fill("Be kind.")
    with visitor.page.expect_download() as saved:
        visitor.page.get_by_role("button", name="Save chat").click()
    system, asked, answer = json.loads(saved.value.path().read_text(encoding="utf-8"))["messages"]
    assert system == {"role": "system", "content": "Be kind."}
    assert asked == {"role": "user", "content": "The <b> door"}
    assert answer["role"] == "assistant" and answer["content"]
    again = visit(small_chat)
    with again.page.expect_file_chooser() as chooser:
        again.page.get_by_role("button", name="Load chat").click()
    chooser.value.set_files(saved.value.path())
    expect(again.asked).to_have_text("The <b> door")
    expect(again.answers).to_have_count(1)
    again.page.get_by_text("Settings").click()
    expect(again.page.locator("#system textarea")).to_have_value("Be kind.")
    again.ask("The mat")
    expect(again.answers).to_have_count(2)


@pytest.fixture(scope="module")
def slow_chat(slow_gguf: Path) -> Iterator[str]:
    page = launch(slow_gguf, block=False, threads=1)
    yield page.local_url
    page.close(verbose=False)


@pytest.mark.parametrize("button", ["Stop", "Clear"])
def test_who_waits_and_leaves_touches_no_one_else_s_answer(
    visit: Callable[[str], Visitor], slow_chat: str, button: str
) -> None:
    first, second = visit(slow_chat), visit(slow_chat)
    first.page.get_by_text("Settings").click()
    for label, value in (("Temperature", "0"), ("Longest answer", "1024")):  # it does not end sooner
        number = first.page.get_by_label(f"number input for {label}")
        number.fill(value)
        number.press("Enter")
    second.box.fill("The mat")
    first.ask("The cat")
    expect(first.answers.last).to_have_text(re.compile(r"\S"))
    second.box.press("Enter")
    expect(second.stop).to_be_visible()
    letters = len(first.answers.last.inner_text())
    second.page.get_by_role("button", name=button, exact=True).click()
    second.wait_until_free()
    expect(second.box).to_have_value("The mat" if button == "Stop" else "")
    expect(second.asked).to_have_count(0)
    expect(second.toast).to_have_count(0)
    expect(first.stop).to_be_visible()
    first.wait_until_free()
    assert len(first.answers.last.inner_text()) > letters
    expect(first.toast).to_have_count(0)
    second.ask("The mat")
    expect(second.answers.last).to_have_text(re.compile(r"\S"))


def test_after_a_message_that_is_too_long_the_chat_goes_on(visit: Callable[[str], Visitor], small_chat: str) -> None:
    visitor = visit(small_chat)
    for text in ("cat " * 400, "x" * 100_000):
        visitor.ask(text)
        expect(visitor.toast).to_contain_text("shorten ")
        visitor.wait_until_free()
        expect(visitor.box).to_have_value(text.strip())
        expect(visitor.box).to_be_focused()
        expect(visitor.asked).to_have_count(0)
        visitor.page.locator(".toast-close").click()
        expect(visitor.toast).to_have_count(0)
    visitor.ask("The cat")
    expect(visitor.answers).to_have_count(1)
    visitor.wait_until_free()
    expect(visitor.asked).to_have_count(1)
    expect(visitor.answers).to_have_count(1)
    expect(visitor.box).to_have_value("")


def test_a_phone_in_japanese_needs_no_sideways_scrolling_and_enter_chooses_a_candidate(
    browser: Any, small_chat: str
) -> None:
    context = browser.new_context(locale="ja-JP", viewport={"width": 360, "height": 700}, color_scheme="dark")
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(small_chat)
        expect(page.get_by_role("button", name="送信")).to_be_visible(timeout=PATIENCE)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.body.classList.contains('dark')")
        page.fill("#message textarea", "にほんご")
        key = "{ key: 'Enter', keyCode: 229, isComposing: true, bubbles: true, cancelable: true }"
        page.evaluate(f"document.querySelector('#message textarea').dispatchEvent(new KeyboardEvent('keydown', {key}))")
        page.wait_for_timeout(500)
        assert page.input_value("#message textarea") == "にほんご"
        expect(page.locator("#chat .message.user")).to_have_count(0)
    finally:
        context.close()
