"""Conversations in the Gradio chat, in Chromium: kept in the browser, listed, gone on with, and nothing is lost."""

import json
import re
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from lilm.demo.chat import launch
from lilm.demo.chat_turns import OURS
from lilm.llamacpp.answers import Answer, Order, Outcome
from lilm.llamacpp.chat import ChatEngine
from tests.demo.gradio_visitor import PATIENCE, Model, Visitor

DEMO = Path(__file__).parents[2] / "demo"


Visit = Callable[..., Visitor]


def test_a_conversation_survives_a_reload_with_its_system_message(visit: Visit, model: Model) -> None:
    visitor = visit()
    visitor.page.get_by_text("Settings").click()
    visitor.page.wait_for_timeout(500)  # Gradio empties a box that has only just opened
    visitor.page.locator("#system textarea").fill("Be kind.")
    visitor.ask("a < b &lt; <i>c</i>")
    visitor.ask("two")
    visitor.stored('said.versions[0].end === "eos" && said.versions[0].tokens === 4')
    visitor.page.reload()
    expect(visitor.asked).to_have_text(["a < b &lt; <i>c</i>", "two"])
    expect(visitor.answers).to_have_text(["1 a < b &lt; <i>c</i> <b>!</b>", "2 two <b>!</b>"])
    expect(visitor.more).to_have_count(0)
    visitor.page.get_by_text("Settings").click()
    expect(visitor.page.locator("#system textarea")).to_have_value("Be kind.")
    visitor.ask("three")
    assert [one["content"] for one in model.asked[-1]] == [
        "Be kind.",
        "a < b &lt; <i>c</i>",
        "1 a < b &lt; <i>c</i> <b>!</b>",
        "two",
        "2 two <b>!</b>",
        "three",
    ]


def test_conversations_are_listed_opened_renamed_and_deleted_with_undo(visit: Visit) -> None:
    visitor = visit()
    visitor.ask("first")
    visitor.press("New chat")
    expect(visitor.asked).to_have_count(0)
    visitor.ask("second")
    visitor.list()
    expect(visitor.rows).to_have_text(["second", "first"])
    visitor.rows.last.click()
    expect(visitor.asked).to_have_text(["first"])
    visitor.ask("more of it")
    visitor.list()
    expect(visitor.rows).to_have_text(["first", "second"])
    visitor.press("Rename “first”")
    visitor.page.locator("#talk-list input").fill("One <b>")
    visitor.page.keyboard.press("Enter")
    expect(visitor.rows).to_have_text(["One <b>", "second"])
    visitor.press("Delete “One <b>”")
    expect(visitor.rows).to_have_text(["second"])
    expect(visitor.asked).to_have_count(0)
    visitor.page.locator("#deleted-undo").click()
    expect(visitor.rows).to_have_text(["One <b>", "second"])
    expect(visitor.asked).to_have_text(["first", "more of it"])
    visitor.page.keyboard.press("Escape")
    visitor.page.reload()
    expect(visitor.asked).to_have_text(["first", "more of it"])


def test_clearing_the_chat_deletes_it_and_can_be_undone(visit: Visit) -> None:
    visitor = visit()
    visitor.ask("first")
    visitor.press("Clear")
    expect(visitor.asked).to_have_count(0)
    expect(visitor.page.locator("#notice")).to_contain_text("“first” is deleted.")
    visitor.press("Undo")
    expect(visitor.asked).to_have_text(["first"])
    visitor.ask("second")
    expect(visitor.answers).to_have_count(2)


def test_a_partial_answer_survives_a_reload_and_goes_on(visit: Visit, model: Model) -> None:
    visitor = visit()
    visitor.write("wait")
    expect(visitor.answers).to_have_text(["1 wait"])
    expect(visitor.more).to_have_count(0)
    visitor.stored('said.versions?.[0].content === "1 wait" && said.versions[0].end === "writing"')
    visitor.page.reload()
    expect(visitor.answers).to_have_text(["1 wait"])
    expect(visitor.page.locator("#chat .note")).to_have_text("interrupted")
    model.go_on.set()
    visitor.more.click()
    expect(visitor.answers).to_have_text(["1 wait and the rest"])
    expect(visitor.more).to_have_count(0)
    visitor.wait_until_free()
    assert model.asked[-1] == [{"role": "user", "content": "wait"}, {"role": "assistant", "content": "1 wait"}]
    visitor.stored('said.versions.length === 1 && said.versions[0].end === "eos"')


def test_a_question_survives_a_reload_before_its_first_word(visit: Visit, model: Model) -> None:
    visitor = visit()
    visitor.write("silent")
    visitor.stored('said.role === "user"')
    visitor.page.reload()
    expect(visitor.asked).to_have_text(["silent"])
    model.go_on.set()
    visitor.press("Answer")
    expect(visitor.answers).to_have_text([re.compile(r"\d silent <b>!</b>")])


@pytest.mark.parametrize(("question", "how"), [("wait", "stopped"), ("long", "longest answer reached")])
def test_a_cut_answer_goes_on(visit: Visit, model: Model, question: str, how: str) -> None:
    visitor = visit()
    visitor.write(question)
    if question == "wait":
        expect(visitor.answers).to_have_text(["1 wait"])
        visitor.press("Stop")
    expect(visitor.page.locator("#chat .note")).to_have_text(how)
    model.go_on.set()
    begun = visitor.answers.inner_text()
    visitor.wait_until_free()
    visitor.more.click()
    expect(visitor.answers).to_have_text([f"{begun} and the rest"])
    expect(visitor.more).to_have_count(0)
    visitor.stored("said.versions.length === 1 && said.versions[0].tokens >= 3")


AT_ONCE = """new MutationObserver((_, observer) => {
  const button = document.querySelector(".go-on.more");
  if (!button) return;
  observer.disconnect();
  button.click();
}).observe(document.body, { subtree: true, childList: true })"""


def test_what_comes_after_a_stop_does_not_undo_what_was_asked_since(visit: Visit, model: Model) -> None:
    """Gone on with in the moment in which it can be; who has moved on by the keyboard is not taken away from there."""
    visitor = visit()
    visitor.page.evaluate(AT_ONCE)
    visitor.write("wait")
    expect(visitor.answers).to_have_text(["1 wait"])
    with visitor.page.expect_request("**/cancel"):
        visitor.press("Stop")
    visitor.page.locator("#open-talks").press("Shift")
    visitor.page.wait_for_timeout(500)  # the server has it by now; before, the model's next words may still come
    model.go_on.set()
    expect(visitor.answers).to_have_text(["1 wait and the rest"])
    visitor.wait_until_free()
    expect(visitor.page.locator("#open-talks")).to_be_focused()


def test_an_answer_that_breaks_off_keeps_what_came_and_goes_on(visit: Visit) -> None:
    visitor = visit()
    visitor.write("break")
    expect(visitor.page.locator(".toast-body")).to_contain_text("the model ended")
    expect(visitor.answers).to_have_text(["1 break"])
    visitor.more.click()
    expect(visitor.answers).to_have_text(["1 break and the rest"])


def test_answers_given_again_stand_beside_each_other(visit: Visit, model: Model) -> None:
    visitor = visit()
    visitor.ask("one")
    visitor.retry()
    expect(visitor.answers).to_have_text(["2 one <b>!</b>"])
    visitor.wait_until_free()
    expect(visitor.place).to_have_text(["2/2 versions of this answer"])
    visitor.press("Version before")
    expect(visitor.answers).to_have_text(["1 one <b>!</b>"])
    expect(visitor.place).to_have_text(["1/2 versions of this answer"])
    expect(visitor.page.get_by_role("button", name="Next version")).to_be_focused()
    visitor.ask("two")
    assert [one["content"] for one in model.asked[-1]] == ["one", "1 one <b>!</b>", "two"]
    expect(visitor.place).to_have_count(1)
    visitor.page.reload()
    expect(visitor.place).to_have_text(["1/2 versions of this answer"])
    visitor.press("Next version")
    expect(visitor.answers).to_have_text(["2 one <b>!</b>", "3 two <b>!</b>"])


def test_who_stops_before_a_word_has_what_stood_there(visit: Visit, model: Model) -> None:
    visitor = visit()
    visitor.ask("one")
    visitor.retry()
    expect(visitor.place).to_have_text(["2/2 versions of this answer"])
    visitor.wait_until_free()
    for text in ("silent", "refuse"):
        visitor.asked.first.hover()
        visitor.press("Edit")
        visitor.page.locator("#chat textarea").fill(text)
        visitor.press("Submit")
        if text == "silent":
            expect(visitor.asked).to_have_text(["silent"])
            expect(visitor.page.locator("#chat .pending").first).to_be_visible()  # else there is nothing yet to stop
            visitor.press("Stop")
        expect(visitor.asked).to_have_text(["one"])
        expect(visitor.answers).to_have_text(["2 one <b>!</b>"])
        expect(visitor.place).to_have_text(["2/2 versions of this answer"])
        expect(visitor.page.locator("#message textarea")).to_have_value(text)
        visitor.wait_until_free()
        model.go_on.set()
    visitor.page.reload()
    expect(visitor.place).to_have_text(["2/2 versions of this answer"])


def test_an_edited_question_replaces_what_came_behind(visit: Visit) -> None:
    visitor = visit()
    visitor.ask("one")
    visitor.ask("two")
    visitor.asked.first.hover()
    visitor.page.get_by_role("button", name="Edit").first.click()
    visitor.page.locator("#chat textarea").fill("other")
    visitor.press("Submit")
    expect(visitor.answers).to_have_text(["3 other <b>!</b>"])
    visitor.wait_until_free()
    visitor.stored("said.versions.length === 1")
    visitor.page.reload()
    expect(visitor.asked).to_have_text(["other"])


def test_another_conversation_gets_no_word_of_the_answer_being_written(visit: Visit, model: Model) -> None:
    visitor = visit()
    visitor.ask("first")
    visitor.press("New chat")
    expect(visitor.asked).to_have_count(0)
    visitor.write("wait")
    expect(visitor.answers).to_have_text(["2 wait"])
    visitor.list()
    visitor.rows.last.click()
    model.go_on.set()
    expect(visitor.asked).to_have_text(["first"])
    expect(visitor.answers).to_have_text(["1 first <b>!</b>"])
    visitor.ask("again")
    visitor.list()
    visitor.page.get_by_role("button", name=re.compile("^wait")).click()
    expect(visitor.answers).to_have_text(["2 wait"])
    expect(visitor.page.locator("#chat .note")).to_have_text("stopped")


def test_a_file_that_is_loaded_is_a_conversation_of_its_own(visit: Visit, tmp_path: Path) -> None:
    visitor = visit()
    visitor.ask("first")
    path = tmp_path / "chat.json"
    said = [("system", "Be brief."), ("user", "first"), ("assistant", "<i>other</i>")]
    for messages, asked in ((said, ["first"]), (said[:1], []), ([("user", "x"), ("system", "y")], None)):
        path.write_text(json.dumps({"messages": [{"role": role, "content": text} for role, text in messages]}))
        with visitor.page.expect_file_chooser() as chooser:
            visitor.press("Load chat")
        chooser.value.set_files(path)
        if asked is None:
            expect(visitor.page.locator(".toast-body")).to_contain_text("a system message that is not the first")
        else:
            expect(visitor.asked).to_have_text(asked)
    visitor.ask("last")
    visitor.list()
    expect(visitor.rows).to_have_text(["last", "first", "first"])
    visitor.rows.nth(1).click()
    expect(visitor.answers).to_have_text(["<i>other</i>"])
    visitor.page.get_by_text("Settings").click()
    expect(visitor.page.locator("#system textarea")).to_have_value("Be brief.")


def test_conversations_go_out_and_come_in_as_files(visit: Visit) -> None:
    visitor = visit()
    visitor.ask("first")
    visitor.retry()
    expect(visitor.place).to_have_count(1)
    visitor.list()
    with visitor.page.expect_download() as saved:
        visitor.press("Save all")
    other = visit()
    other.list()
    with other.page.expect_file_chooser() as chooser:
        other.press("Read a file…")
    chooser.value.set_files(saved.value.path())
    expect(other.page.locator("#notice")).to_contain_text("Conversations read: 1.")
    other.list()
    other.rows.click()
    expect(other.place).to_have_text(["2/2 versions of this answer"])


def test_two_tabs_lose_nothing_of_each_other(visit: Visit) -> None:
    one = visit()
    one.ask("first")
    one.stored('said.versions?.[0].end === "eos"')
    other = visit(context=one.page.context)
    expect(other.asked).to_have_text(["first"])
    other.ask("second")
    expect(one.answers).to_have_text(["1 first <b>!</b>", "2 second <b>!</b>"])  # this tab shows what the other wrote
    one.ask("third")
    expect(other.asked).to_have_text(["first", "second", "third"])


def test_an_answer_is_written_down_no_oftener_than_every_400_ms(
    visit: Visit, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(engine: ChatEngine, messages: Any, order: Order) -> Answer:
        def pieces() -> Generator[str, None, Outcome]:
            for _ in range(60):
                threading.Event().wait(0.06)
                yield "word "
            return Outcome(5, 60, "stop", 0, 0.1, 3.6)

        return Answer(pieces())

    monkeypatch.setattr(ChatEngine, "write", write)
    visitor = visit()
    visitor.page.evaluate(
        "() => { IDBObjectStore.prototype.put = new Proxy(IDBObjectStore.prototype.put,"
        " { apply(put, store, given) { window.puts = [...(window.puts ?? []), performance.now()];"
        " return put.apply(store, given); } }); }"
    )
    visitor.ask("one")
    visitor.stored('said.versions?.[0].end === "eos"')
    puts = visitor.page.evaluate("puts")
    assert 3 < len(puts) < 2 + (puts[-1] - puts[0]) / 380


def test_two_models_side_by_side_keep_nothing(browser: Any, chat_gguf: Path, model: Model) -> None:
    chat = launch(chat_gguf, block=False, threads=1, beside=chat_gguf)
    context = browser.new_context(locale="en-US")
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(chat.local_url)
        page.locator("#message textarea").fill("one")
        page.locator("#message textarea").press("Enter")
        expect(page.locator("#chat-2 .answer")).to_have_text("2 one <b>!</b>", timeout=PATIENCE)
        expect(page.get_by_role("button", name="New chat")).to_have_count(0)
        assert page.evaluate("indexedDB.databases()") == []
    finally:
        context.close()
        chat.close(verbose=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_japanese_needs_no_sideways_scrolling(visit: Visit, scheme: str, tmp_path: Path) -> None:
    visitor = visit(locale="ja-JP", viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page = visitor.page
    page.locator("#message textarea").fill("long " * 30)
    page.locator("#message textarea").press("Enter")
    expect(page.get_by_role("button", name="続ける")).to_be_visible()
    page.get_by_role("button", name="会話の一覧").click()
    expect(page.locator("#talks")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('#talks').scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.lang") == "ja"


def test_every_script_of_the_page_is_handed_out() -> None:
    pattern = re.compile(r'from "(\./[^"]+)"|import\("(\./[^"]+)"\)')
    found, waiting = set(), ["chat.js", "chat-talks.js", "chat-end.js"]
    while waiting:
        name = waiting.pop()
        found.add(name)
        text = re.sub(r"/\*.*?\*/", "", (DEMO / name).read_text(encoding="utf-8"), flags=re.DOTALL)
        names = {str(Path(name).parent / match[1]) for match in pattern.finditer(text)}
        waiting += names - found
    assert found | {"site/icons.svg"} == set(OURS)
