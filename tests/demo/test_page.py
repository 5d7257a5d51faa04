"""What a visitor sees, in Chromium, on a site whose engine is a stand-in with known answers and errors."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

Open = Callable[..., Any]


def send(page: Any, text: str) -> None:
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")


def hold_answers(page: Any, count: int) -> None:
    """Answers wait at their letter `count` until they are stopped or let go."""
    page.evaluate(f"globalThis.heldAt = {count}")


def let_go(page: Any) -> None:
    page.evaluate("globalThis.heldAt = undefined")


def wait_for_letters(page: Any, count: int) -> None:
    """Until an answer that is being written, and held at `count` letters, has them."""
    expect(page.locator(".writing .text")).to_have_text(re.compile(f".{{{count},}}", re.DOTALL))


def wait_for_answer(page: Any) -> str:
    page.wait_for_selector(".turn.assistant .acts")
    return str(page.inner_text(".turn.assistant:last-child .text"))


def test_an_answer_is_streamed_and_stopped(open_page: Open) -> None:
    page = open_page()
    page.evaluate("globalThis.loadHeld = true")
    hold_answers(page, 4)
    send(page, "hello")
    page.wait_for_selector("#loading progress")
    page.evaluate("globalThis.loadHeld = false")
    wait_for_letters(page, 4)
    page.click("#stop")
    answer = wait_for_answer(page)
    assert 3 < len(answer) < 200
    assert "stopped" in page.inner_text(".acts .note")
    assert page.is_visible("#send") and not page.is_visible("#stop")


def test_what_the_model_writes_is_text(open_page: Open) -> None:
    page = open_page()
    page.on("dialog", lambda dialog: pytest.fail("the model's text ran as a script"))
    hold_answers(page, 60)
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
    hold_answers(page, 4)
    send(page, "hello")
    page.click("#stop")
    page.wait_for_selector("#send")
    assert page.is_hidden("#notice")
    assert page.inner_text(".turn.user .text") == "hello"


def test_an_answer_without_a_word_is_told(open_page: Open) -> None:
    page = open_page()
    send(page, "silence")
    page.wait_for_selector("#notice:not([hidden])")
    assert "without a word" in page.inner_text("#notice-text")
    assert page.locator(".turn").count() == 1
    assert page.inner_text("#notice-action") == "Answer again"


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
    hold_answers(page, 4)
    page.click("[aria-label='Answer again']")
    page.wait_for_selector(".writing")
    let_go(page)
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
    assert [turn["content"] for turn in page.evaluate("lastChat.messages")][::2] == ["one", "two", "three"]
    assert page.locator(".turn").count() == 6


def test_the_chat_survives_a_reload(open_page: Open) -> None:
    page = open_page()
    hold_answers(page, 4)
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
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    assert page.evaluate(scheme) == "dark"  # with the colours beside it
    page.click("#theme")
    assert page.evaluate(scheme) != "dark"
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


@pytest.mark.usefixtures("without_headers")
def test_without_the_headers_a_worker_isolates_the_page(open_page: Open) -> None:
    page = open_page()
    assert page.evaluate("crossOriginIsolated")
    assert page.is_hidden("#notice")


@pytest.mark.usefixtures("without_headers")
def test_without_headers_and_workers_the_page_says_what_is_missing(open_page: Open) -> None:
    page = open_page(service_workers="block")
    assert "not cross-origin isolated" in page.inner_text("#notice")


def test_a_question_can_be_asked_anew(open_page: Open) -> None:
    page = open_page()
    page.click("#open-settings")
    page.fill("#set-n_predict", "16")
    page.keyboard.press("Escape")
    for text in ("first", "second"):
        send(page, text)
        page.wait_for_selector("#stop", state="hidden")
    page.click(".turn.user [aria-label=Edit] >> nth=0")
    assert page.input_value("#prompt") == "first"
    page.keyboard.press("Escape")
    assert page.input_value("#prompt") == "" and page.is_hidden("#editing")
    page.click(".turn.user [aria-label=Edit] >> nth=0")
    send(page, "better")
    wait_for_answer(page)
    assert page.locator(".turn").count() == 2
    assert page.evaluate("lastChat.messages") == [{"role": "user", "content": "better"}]


def test_a_new_tab_goes_on_with_the_last_chat(open_page: Open) -> None:
    page = open_page()
    page.click("#open-settings")
    page.fill("#set-n_predict", "16")
    page.keyboard.press("Escape")
    send(page, "hello")
    answer = wait_for_answer(page)
    other = page.context.new_page()
    other.goto(page.url)
    assert wait_for_answer(other) == answer


def test_speed_threads_and_memory_are_shown(open_page: Open) -> None:
    page = open_page()
    hold_answers(page, 4)
    send(page, "hello")
    wait_for_letters(page, 4)
    assert "100 tokens/s · 2 threads" in page.inner_text("#speed")
    page.click("#stop")
    wait_for_answer(page)
    expect(page.locator("#speed")).to_have_text(re.compile(r"40\.0 MB memory$"))


def test_no_speed_is_told_of_the_first_token_alone(open_page: Open) -> None:
    """It comes with the prompt, in no time: the page told thousands of tokens per second."""
    page = open_page()
    hold_answers(page, 1)
    send(page, "hello")
    wait_for_letters(page, 1)
    assert "tokens/s" not in page.inner_text("#speed")
    hold_answers(page, 3)
    wait_for_letters(page, 3)
    expect(page.locator("#speed")).to_contain_text("100 tokens/s")
    page.click("#stop")


def test_a_model_that_died_is_loaded_again_by_a_click(open_page: Open) -> None:
    page = open_page()
    page.click("#open-models")
    page.click("#load")
    page.wait_for_selector("#model-dot[data-state=ready]")
    page.evaluate("killModel()")
    page.wait_for_selector("#notice:not([hidden])")
    assert "load the model again" in page.inner_text("#notice")
    assert page.get_attribute("#model-dot", "data-state") == "idle"
    page.click("#notice-action")
    page.wait_for_selector("#model-dot[data-state=ready]")


def copy_a_short_answer(page: Any) -> None:
    page.click("#open-settings")
    page.fill("#set-n_predict", "16")
    page.keyboard.press("Escape")
    send(page, "hello")
    wait_for_answer(page)
    page.click(".turn.assistant .acts button:first-child")


def test_an_answer_is_copied(open_page: Open) -> None:
    from playwright.sync_api import expect

    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    copy_a_short_answer(page)
    expect(page.locator("#announce")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    shown = page.inner_text(".turn.assistant:last-child .text")
    assert copied and "".join(copied.split())[:8] == "".join(shown.split())[:8]


def test_a_copy_that_is_not_allowed_says_what_to_do(open_page: Open) -> None:
    page = open_page()
    page.evaluate("() => void (navigator.clipboard.writeText = () => Promise.reject(new Error('no')))")
    copy_a_short_answer(page)
    page.wait_for_selector("#notice:not([hidden])")
    assert "select the text instead" in page.inner_text("#notice")


def test_the_policy_lets_no_foreign_script_or_request_through(open_page: Open) -> None:
    page = open_page()
    page.evaluate("""() => {
        window.broken = [];
        document.addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
    }""")
    asked = page.evaluate("fetch('https://example.invalid/').then(() => 'answered', (error) => error.name)")
    assert asked == "TypeError"
    told = """async () => {
        while (broken.length < 2) await new Promise((go) => setTimeout(go, 20));
        return broken;
    }"""
    assert sorted(set(page.evaluate(told))) == ["connect-src", "script-src-elem"]
    assert not page.evaluate("window.ran ?? false")
