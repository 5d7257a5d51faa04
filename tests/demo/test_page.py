"""What a visitor sees, in Chromium, on a site whose engine is a stand-in with known answers and errors."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Open = Callable[..., Any]


@pytest.fixture
def open_page(site: Path, browser: Any, serving: Callable[[Path], AbstractContextManager[str]]) -> Iterator[Open]:
    """Opens the page in a fresh profile; afterwards no request may have left the host and no script failed."""
    strangers: list[str] = []
    failures: list[str] = []
    with serving(site) as url:

        def open_new(**options: Any) -> Any:
            page = browser.new_context(**{"locale": "en-US", **options}).new_page()
            page.set_default_timeout(15_000)
            page.on("request", lambda request: request.url.startswith(url) or strangers.append(request.url))
            page.on("pageerror", lambda error: failures.append(str(error)))
            page.goto(url)
            page.wait_for_selector("[data-ready]", state="attached")
            return page

        yield open_new
        for context in browser.contexts:
            context.close()
    assert not strangers
    assert not failures


def send(page: Any, text: str) -> None:
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")


def wait_for_letters(page: Any, count: int) -> None:
    """Until an answer that is being written has `count` letters."""
    from playwright.sync_api import expect

    expect(page.locator(".writing .text")).to_have_text(re.compile(f".{{{count},}}", re.DOTALL), timeout=15_000)


def wait_for_answer(page: Any) -> str:
    page.wait_for_selector(".turn.assistant .acts")
    return str(page.inner_text(".turn.assistant:last-child .text"))


def test_an_answer_is_streamed_and_stopped(open_page: Open) -> None:
    page = open_page()
    send(page, "hello")
    page.wait_for_selector("#loading progress")
    wait_for_letters(page, 4)
    page.click("#stop")
    answer = wait_for_answer(page)
    assert 3 < len(answer) < 200
    assert "stopped" in page.inner_text(".acts .note")
    assert page.is_visible("#send") and not page.is_visible("#stop")


def test_what_the_model_writes_is_text(open_page: Open) -> None:
    page = open_page()
    page.on("dialog", lambda dialog: pytest.fail("the model's text ran as a script"))
    send(page, "<b>bold</b>")
    wait_for_letters(page, 60)
    page.keyboard.press("Escape")
    assert "<img src=x onerror=alert(1)>" in wait_for_answer(page)
    assert page.inner_text(".turn.user .text") == "<b>bold</b>"
    assert page.locator("#log img, #log b").count() == 0


def test_an_error_is_a_sentence_and_the_chat_stays(open_page: Open) -> None:
    page = open_page()
    send(page, "crash")
    page.wait_for_selector("#notice:not([hidden])")
    assert "The model stopped unexpectedly (worker died)" in page.inner_text("#notice")
    assert page.inner_text(".turn.user .text") == "crash"
    send(page, "hello")
    page.click("#stop")
    page.wait_for_selector("#send")
    assert page.is_hidden("#notice")
    assert page.inner_text(".turn.user .text") == "hello"


def test_a_file_that_is_no_model_is_refused_and_forgotten(open_page: Open) -> None:
    page = open_page()
    page.set_input_files("#file", {"name": "notes.gguf", "mimeType": "", "buffer": b"no model"})
    page.wait_for_selector("#notice:not([hidden])")
    assert "not a GGUF model" in page.inner_text("#notice")
    assert "Q4_K_M" in page.inner_text("#model-label")


def test_again_new_chat_and_settings(open_page: Open) -> None:
    page = open_page()
    page.click("#open-settings")
    page.fill("#set-n_predict", "16")
    page.fill("#set-temperature", "0.3")
    page.click("#settings .primary")
    send(page, "hello")
    assert len(wait_for_answer(page)) == 16
    assert page.evaluate("lastChat") == {
        "messages": [{"role": "user", "content": "hello"}],
        "temperature": 0.3,
        "repeat_penalty": 1.1,
    }
    page.click("[aria-label='Answer again']")
    page.wait_for_selector(".writing")
    wait_for_answer(page)
    assert page.locator(".turn").count() == 2
    page.click("#new-chat")
    assert page.locator(".turn").count() == 0
    assert page.is_visible("#suggestions button")


def test_a_long_chat_loses_its_beginning_and_says_so(open_page: Open) -> None:
    page = open_page()
    page.click("#open-settings")
    page.fill("#set-n_predict", "16")
    page.keyboard.press("Escape")
    for text in ("one", "two", "three"):
        send(page, text)
        page.wait_for_selector("#stop", state="hidden")
    assert "oldest messages no longer fit" in page.inner_text("#notice")
    assert [turn["content"] for turn in page.evaluate("lastChat.messages")][::2] == ["two", "three"]
    assert page.locator(".turn").count() == 6


def test_the_chat_survives_a_reload(open_page: Open) -> None:
    page = open_page()
    send(page, "hello")
    wait_for_letters(page, 4)
    page.click("#stop")
    answer = wait_for_answer(page)
    page.reload()
    assert wait_for_answer(page) == answer


def test_enter_that_chooses_a_japanese_candidate_does_not_send(open_page: Open) -> None:
    page = open_page()
    page.fill("#prompt", "にほんご")
    key = "{ key: 'Enter', isComposing: true, bubbles: true, cancelable: true }"
    page.evaluate(f"document.querySelector('#prompt').dispatchEvent(new KeyboardEvent('keydown', {key}))")
    assert page.input_value("#prompt") == "にほんご"
    assert page.locator(".turn").count() == 0


def test_language_follows_the_browser_and_can_be_switched(open_page: Open) -> None:
    page = open_page(locale="ja-JP")
    assert page.get_attribute("#send", "aria-label") == "送信"
    assert page.get_attribute("html", "lang") == "ja"
    page.click("#language")
    assert page.get_attribute("#send", "aria-label") == "Send"
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    assert page.get_attribute("html", "lang") == "en"


def test_dark_follows_the_system_and_can_be_switched(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    assert page.get_attribute("html", "data-theme") == "dark"
    page.click("#theme")
    assert page.get_attribute("html", "data-theme") == "light"


def test_models_are_shown_with_size_and_quality(open_page: Open) -> None:
    page = open_page()
    page.click("#open-models")
    first = page.inner_text(".model >> nth=0").replace("\xa0", " ")
    assert "Q4_K_M" in first and "1 kB" in first and "50.0 MB memory" in first
    assert "Japanese 1.250 bits/byte · divergence 0.012 · 95.0% same choice" in first
    page.check("input[value='model-Q8_0.gguf']")
    page.click("#load")
    page.wait_for_selector("#model-dot[data-state=ready]")
    assert page.inner_text("#model-label") == "Q8_0"


def test_a_phone_needs_no_sideways_scrolling_and_everything_has_a_name(open_page: Open) -> None:
    page = open_page(viewport={"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    nodes = "[...document.querySelectorAll('button, input, textarea')].filter((node) => node.checkVisibility())"
    nameless = "(node) => !node.ariaLabel && !node.textContent.trim() && !node.labels?.length"
    assert page.evaluate(f"{nodes}.length") > 6
    assert page.evaluate(f"{nodes}.filter({nameless}).map((node) => node.outerHTML)") == []


def test_without_the_headers_a_worker_isolates_the_page(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilm.demo.handler.HEADERS", {})
    page = open_page()
    assert page.evaluate("crossOriginIsolated")
    assert page.is_hidden("#notice")


def test_without_headers_and_workers_the_page_says_what_is_missing(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lilm.demo.handler.HEADERS", {})
    page = open_page(service_workers="block")
    assert "not cross-origin isolated" in page.inner_text("#notice")
