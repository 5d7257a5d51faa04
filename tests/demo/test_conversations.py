"""Conversations of the page, in Chromium: many, kept while they are written, in two tabs, in files. The engine is a
stand-in."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.demo.test_page import hold_answers, let_go, send, wait_for_answer, wait_for_letters

Open = Callable[..., Any]
SHORT = "localStorage.setItem('lilm.sampling', '{\"n_predict\": 16}')"
HTML = "<img src=x onerror=alert(1)>"


@pytest.fixture
def short(open_page: Open) -> Any:
    """A page whose answers have 16 letters."""
    page = open_page()
    page.evaluate(SHORT)
    return again(page)


def again(page: Any) -> Any:
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    return page


# reads the conversations that the page's database holds
TALKS = """
  const answer = (request) => new Promise((done) => (request.onsuccess = () => done(request.result)));
  const [own] = await indexedDB.databases();
  const database = await answer(indexedDB.open(own.name));
  const talks = await answer(database.transaction("conversations").objectStore("conversations").getAll());
  database.close();
"""

# whether an answer's first version of two is the one that the page's database says is shown
SHOWS_THE_FIRST = (
    f"""async () => {{ {TALKS}"""
    + """
  return talks.some(({ messages }) => messages.some(({ versions, shown }) => versions?.length === 2 && shown === 0));
}"""
)


def another_tab(page: Any) -> Any:
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("[data-ready]", state="attached")
    return other


def names(page: Any) -> list[str]:
    """Of all conversations, as the list shows them."""
    page.click("#open-talks")
    page.wait_for_selector("#talks[open]")
    found = page.locator("#talk-list .talk span").all_inner_texts()
    page.keyboard.press("Escape")
    return list(found)


def questions(page: Any) -> list[str]:
    return list(page.locator(".turn.user .text").all_inner_texts())


def test_conversations_are_named_opened_and_deleted_with_a_way_back(short: Any) -> None:
    page = short
    for text in ("first", "second"):
        page.click("#new-chat")
        send(page, text)
        wait_for_answer(page)
    assert names(page) == ["second", "first"]
    page.click("#open-talks")
    page.click("[aria-label='Rename “first”']")
    page.wait_for_selector("#talk-list input:focus")
    page.keyboard.type("にほんご")
    key = "{ key: 'Enter', isComposing: true, bubbles: true, cancelable: true }"
    page.evaluate(f"document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key}))")
    assert page.input_value("#talk-list input") == "にほんご"  # Enter chose a candidate
    page.keyboard.press("Enter")
    expect(page.locator(".talk span >> nth=1")).to_have_text("にほんご")
    page.click("[aria-label='Rename “second”']")
    page.wait_for_selector("#talk-list input:focus")
    page.keyboard.type("not this")
    page.keyboard.press("Escape")
    expect(page.locator(".talk span >> nth=0")).to_have_text("second")
    assert page.is_visible("#talks")
    page.click(".talk >> nth=1")
    expect(page.locator(".turn.user .text")).to_have_text("first")
    page.click("#open-talks")
    page.click("[aria-label='Delete “にほんご”']")
    expect(page.locator(".talk")).to_have_count(1)
    page.click("#deleted-undo")
    expect(page.locator(".talk")).to_have_count(2)
    expect(page.locator(".turn.user .text")).to_have_text("first")
    page.click("[aria-label='Delete “second”']")
    expect(page.locator(".talk")).to_have_count(1)
    page.keyboard.press("Escape")
    page.click("#notice-action")  # the way back is there when the list is closed too
    again(page)
    assert sorted(names(page)) == ["second", "にほんご"]
    assert questions(page) == ["first"]


def test_two_tabs_lose_nothing_of_each_other_s(short: Any) -> None:
    send(short, "before")
    wait_for_answer(short)
    other = another_tab(short)
    assert questions(other) == ["before"]
    other.evaluate("localStorage.removeItem('lilm.sampling')")
    again(other)
    hold_answers(other, 4)
    send(other, "there")
    expect(short.locator(".turn.user .text")).to_have_text(["before", "there"])
    expect(short.locator(".turn")).to_have_count(4)  # seen here while it is written
    send(short, "here")
    expect(short.locator("#stop")).to_be_hidden()
    hold_answers(other, 12)  # with the next word it sees what was written here
    expect(other.locator("#notice")).to_contain_text("in a copy of it")
    assert questions(other) == ["before", "there"]
    other.click("#stop")
    expect(other.locator("#stop")).to_be_hidden()
    assert names(short) == ["before", "before"]
    again(other)
    assert questions(other) == ["before", "there"]
    again(short)
    assert questions(short) == ["before", "there", "here"]


def test_a_reload_keeps_the_part_of_an_answer_which_goes_on(open_page: Open) -> None:
    page = open_page()
    page.evaluate(SHORT.replace("16", "1024"))
    again(page)
    hold_answers(page, 150)
    send(page, "hello")
    wait_for_letters(page, 150)
    again(page)
    part = wait_for_answer(page)
    assert len(part) > 40
    assert "interrupted" in page.inner_text(".acts .note")
    page.evaluate(SHORT)
    again(page)
    page.click(".more")
    expect(page.locator(".acts .note")).to_contain_text("longest answer reached")
    whole = wait_for_answer(page)
    assert whole.startswith(part) and len(whole) == len(part) + 16
    assert page.evaluate("lastChat.messages") == [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": part},
    ]
    assert re.match(r"\d+ tokens", page.inner_text(".acts .note"))


def test_answering_again_keeps_the_version_before(short: Any) -> None:
    page = short
    send(page, "say: one")
    assert wait_for_answer(page) == "one"
    page.click(".turn.user [aria-label=Edit]")
    send(page, "hello")
    first = wait_for_answer(page)
    hold_answers(page, 4)
    page.click("[aria-label='Answer again']")
    page.wait_for_selector(".writing")
    let_go(page)
    expect(page.locator(".place")).to_have_text(re.compile("^2/2"))
    assert page.is_disabled("[aria-label='Next version']")
    page.click("[aria-label='Version before']")
    expect(page.locator(".place")).to_have_text(re.compile("^1/2"))
    assert page.evaluate("document.activeElement.ariaLabel") == "Next version"
    page.wait_for_function(SHOWS_THE_FIRST)  # written behind what the answer's end wrote, which takes its moment
    again(page)
    expect(page.locator(".place")).to_have_text(re.compile("^1/2"))
    assert wait_for_answer(page) == first
    send(page, "next")
    expect(page.locator("#stop")).to_be_hidden()
    assert page.evaluate("lastChat.messages")[1]["content"] == first


def test_whatever_ends_an_answer_leaves_a_way_on(open_page: Open) -> None:
    page = open_page()
    page.evaluate("globalThis.loadHeld = true")
    send(page, "hello")
    page.wait_for_selector("#loading progress")
    page.keyboard.press("Escape")
    page.evaluate("globalThis.loadHeld = false")
    hold_answers(page, 4)
    page.click(".answerNow")
    wait_for_letters(page, 4)
    page.click("#new-chat")  # what was written is kept
    expect(page.locator(".turn")).to_have_count(0)
    page.click("#open-talks")
    page.click(".talk")
    assert "stopped" in page.inner_text(".acts .note")
    assert page.is_visible(".more")
    hold_answers(page, 20)
    page.click(".more")
    wait_for_letters(page, 20)
    page.click("#open-talks")
    page.click(".talk")  # the one that is being written
    expect(page.locator(".turn")).to_have_count(2)
    let_go(page)
    assert len(wait_for_answer(page)) > 15
    page.click("#new-chat")
    send(page, "crash")
    page.wait_for_selector("#notice:not([hidden])")
    page.click("#notice-close")
    assert page.is_visible(".answerNow")


def test_files_of_conversations_go_out_and_come_in(short: Any, tmp_path: Path) -> None:
    page = short
    send(page, f"say: {HTML}")
    wait_for_answer(page)
    page.click("#open-talks")
    with page.expect_download() as saved:
        page.click("#save-markdown")
    assert saved.value.suggested_filename == "say-img-src-x-onerror-alert-1.md"
    assert f"## You\n\nsay: {HTML}\n\n## Model\n\n{HTML}\n" in saved.value.path().read_text(encoding="utf-8")
    with page.expect_download() as saved:
        page.click("#save-all")
    assert saved.value.suggested_filename == "say-img-src-x-onerror-alert-1.json"
    written = saved.value.path().read_text(encoding="utf-8")
    file = {"name": "talks.json", "mimeType": "application/json"}
    page.set_input_files("#import-file", {**file, "buffer": written.encode()})
    expect(page.locator("#notice-text")).to_contain_text("here already")
    page.click("#open-talks")
    page.click("[aria-label^=Delete]")
    expect(page.locator(".talk")).to_have_count(0)
    page.set_input_files("#import-file", {**file, "buffer": written.encode()})
    expect(page.locator("#notice-text")).to_have_text("Conversations read: 1.")
    page.click("#notice-action")
    page.click(".talk")
    assert wait_for_answer(page) == HTML
    assert page.locator("#log img").count() == 0
    talk = json.loads(written)["conversations"][0]
    turns = talk["messages"]
    bad = {
        "not JSON": written[:-9],
        "no conversations of this page": json.dumps([talk]),
        "Conversation 2 of it is damaged": [talk, {**talk, "messages": [turns[1]]}],
        "Conversation 1 of it is damaged": [{**talk, "messages": [{"role": "tool", "content": ""}]}],
        "Conversation 1 of it": [{**talk, "messages": [{"role": "user", "content": "x" * 1_000_001}]}],
        "Conversation 1 of": [{**talk, "messages": [turns[0], {**turns[1], "shown": 7}]}],
        "Conversation 1": [{**talk, "messages": [turns[0], {"role": "assistant", "content": [HTML]}]}],
    }
    for told, content in bad.items():
        text = content if isinstance(content, str) else json.dumps({**json.loads(written), "conversations": content})
        page.set_input_files("#import-file", {**file, "buffer": text.encode()})
        expect(page.locator("#notice-text")).to_contain_text(told)
        page.click("#notice-close")
    assert len(names(page)) == 1  # nothing of a bad file came in


def test_prompt_draft_model_and_meter_are_remembered(short: Any) -> None:
    page = short
    page.click("#open-settings")
    page.fill("#system", "Be brief.")
    page.keyboard.press("Escape")
    page.click("#open-models")
    page.check("input[value='model-Q8_0.gguf']")
    page.keyboard.press("Escape")
    send(page, "hello")
    wait_for_answer(page)
    assert page.evaluate("lastChat.messages")[0] == {"role": "system", "content": "Be brief."}
    assert page.inner_text("#context-text") == "context 36 / 256"
    assert page.get_attribute("#context-meter", "aria-label") == "context 36 / 256"
    page.fill("#prompt", "not yet")
    page.click(".turn.user [aria-label=Edit]")
    page.keyboard.press("Escape")
    assert page.input_value("#prompt") == "not yet"
    again(page)
    assert page.input_value("#prompt") == "not yet"
    assert page.inner_text("#model-label") == "Q8_0"
    page.click("#new-chat")
    assert page.input_value("#prompt") == ""
    page.click("#open-settings")
    assert page.input_value("#system") == "Be brief."
    page.click("#settings-reset")
    assert page.input_value("#system") == ""
    page.keyboard.press("Escape")
    page.click("#open-talks")
    page.click(".talk")
    page.click("#open-settings")
    assert page.input_value("#system") == "Be brief."
    assert page.input_value("#prompt") == "not yet"


DROP = """(name) => {
  const data = new DataTransfer();
  data.items.add(new File(["x"], name));
  for (const kind of ["dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def test_a_model_is_dropped_onto_the_page(open_page: Open) -> None:
    page = open_page()
    page.evaluate(DROP, "notes.txt")
    assert "Only GGUF models" in page.inner_text("#notice-text")
    page.evaluate(DROP, "Mine.GGUF")
    expect(page.locator("#notice-text")).to_contain_text("not a GGUF model")
    assert page.evaluate("loadedSource") == "[object File]"
    page.evaluate(DROP, "talks.json")
    expect(page.locator("#notice-text")).to_contain_text("not JSON")


def test_tables_code_and_long_messages(open_page: Open) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"], viewport={"width": 390, "height": 800})
    send(page, "say: | a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx = 1\n```")
    wait_for_answer(page)
    assert page.locator(".turn.assistant td").all_inner_texts() == ["1", "2"]
    page.click("[aria-label='Copy code']")
    expect(page.locator("#announce")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "x = 1"
    send(page, "say: ok\n" + "line\n" * 100)
    page.wait_for_selector(".unfold")
    expect(page.locator("#stop")).to_be_hidden()
    text = page.locator(".turn.user .text").nth(1)
    folded = text.bounding_box()["height"]
    page.click(".unfold")
    assert text.bounding_box()["height"] > 5 * folded > 0
    assert page.get_attribute(".unfold", "aria-expanded") == "true"
    page.click("#open-models")
    wide = "[...document.querySelectorAll('main, .foot, .model, .badge, #models')]"
    assert (
        page.evaluate(f"{wide}.filter((node) => node.scrollWidth > node.clientWidth).map((one) => one.className)") == []
    )
    assert page.locator(".axis").all_inner_texts() == ["size", "bits per byte"]


def test_the_only_conversation_of_an_earlier_page_is_taken_over(open_page: Open) -> None:
    page = open_page()
    earlier = [{"role": "user", "content": "old"}, {"role": "assistant", "content": "answer", "note": "3 tokens"}]
    page.evaluate("(said) => localStorage.setItem('lilm.chat', JSON.stringify(said))", earlier)
    page.evaluate("sessionStorage.clear()")
    again(page)
    assert wait_for_answer(page) == "answer"
    assert page.evaluate("localStorage.getItem('lilm.chat')") is None
    assert names(page) == ["old"]


SHARED = (
    f"""async () => {{ {TALKS}"""
    + """
  await answer(indexedDB.deleteDatabase(own.name));
  const request = indexedDB.open("lilm", 1);
  request.onupgradeneeded = () => {
    const store = request.result.createObjectStore("conversations", { keyPath: "id" });
    for (const talk of talks) store.put(talk);
  };
  (await answer(request)).close();
}"""
)


def test_what_pages_of_one_host_kept_together_is_taken_over(short: Any) -> None:
    send(short, "old")
    wait_for_answer(short)
    short.wait_for_timeout(500)  # it is written down
    short.evaluate(SHARED)
    again(short)
    assert names(short) == ["old"]


def test_where_nothing_can_be_kept_the_page_says_so_and_works(open_page: Open) -> None:
    page = open_page()
    page.add_init_script(
        "Object.defineProperty(globalThis, 'indexedDB', { get: () => { throw new Error('blocked'); } });"
    )
    page.evaluate(SHORT)
    again(page)
    assert "keeps nothing" in page.inner_text("#notice-text")
    send(page, "hello")
    wait_for_answer(page)
    assert names(page) == ["hello"]
