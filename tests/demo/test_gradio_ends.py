"""Answers of the Gradio chat that end before their time, in Chromium, and what one does right after."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.demo.gradio_visitor import Model, Visitor

Visit = Callable[..., Visitor]
LAYER = "#chat .wrap .error, #meter .error"  # with Gradio's word "Error", over what it belongs to


def next_wait(model: Model) -> threading.Event:
    """What the answers of now wait for; those of later wait for another."""
    now, model.go_on = model.go_on, threading.Event()
    return now


@pytest.mark.parametrize("how", ["Stop", "New chat"])
def test_what_is_asked_after_an_answer_was_stopped_is_answered_and_can_be_stopped(
    visit: Visit, model: Model, how: str
) -> None:
    """Though the model, and Gradio's event with it, ends only with its next word."""
    visitor = visit()
    visitor.write("wait")
    expect(visitor.answers).to_have_text(["1 wait"])
    visitor.press(how)
    if how == "New chat":
        expect(visitor.asked).to_have_count(0)
    first = next_wait(model)
    visitor.write("wait too")
    expect(visitor.asked.last).to_have_text("wait too")
    first.set()
    expect(visitor.answers.last).to_have_text("2 wait too")
    with visitor.page.expect_request("**/cancel"):
        visitor.press("Stop")
    visitor.wait_until_free()
    model.go_on.set()
    visitor.ask("last")
    expect(visitor.answers.last).to_have_text("3 last <b>!</b>")


def test_who_stops_can_write_at_once(visit: Visit, model: Model) -> None:
    visitor = visit()
    visitor.write("wait")
    expect(visitor.answers).to_have_text(["1 wait"])
    visitor.press("Stop")
    expect(visitor.page.locator("#message textarea")).to_be_focused(timeout=5000)


@pytest.mark.parametrize("chosen", [True, False])
def test_an_answer_that_gives_way_to_no_file_goes_on(visit: Visit, model: Model, chosen: bool, tmp_path: Path) -> None:
    visitor = visit()
    visitor.write("wait")
    expect(visitor.answers).to_have_text(["1 wait"])
    with visitor.page.expect_file_chooser() as chooser:
        visitor.press("Load chat")
    path = tmp_path / "chat.json"
    path.write_text("no chat")
    with visitor.page.expect_request("**/cancel"):
        if chosen:
            chooser.value.set_files(path)
        else:
            chooser.value.element.evaluate("(input) => input.dispatchEvent(new Event('cancel'))")
    visitor.page.wait_for_timeout(500)  # the server has it by now; before, the whole answer may still come
    model.go_on.set()
    visitor.more.click()
    expect(visitor.answers).to_have_text(["1 wait and the rest"])
    visitor.wait_until_free()


def test_a_file_that_is_no_chat_leaves_nothing_over_the_chat(visit: Visit, tmp_path: Path) -> None:
    visitor = visit()
    visitor.ask("first")
    path = tmp_path / "chat.json"
    path.write_text("no chat")
    with visitor.page.expect_file_chooser() as chooser:
        visitor.press("Load chat")
    chooser.value.set_files(path)
    expect(visitor.page.locator(".toast-body")).to_contain_text("not JSON")
    expect(visitor.page.locator(LAYER)).to_have_count(0, timeout=5000)


@pytest.mark.parametrize("text", ["silent", "refuse"])
def test_a_question_taken_back_gives_the_answer_before_no_version(visit: Visit, text: str) -> None:
    visitor = visit()
    visitor.ask("first")
    visitor.write(text)
    expect(visitor.asked).to_have_text(["first", text])
    if text == "silent":
        expect(visitor.page.locator("#chat .pending").first).to_be_visible()
        visitor.press("Stop")
    expect(visitor.asked).to_have_text(["first"])
    expect(visitor.page.locator("#message textarea")).to_have_value(text)
    visitor.stored("said.versions?.length === 1")
    expect(visitor.place).to_have_count(0)


def test_what_is_asked_while_a_new_chat_is_on_its_way_is_asked_there(visit: Visit, model: Model) -> None:
    visitor = visit()
    visitor.ask("first")
    held: list[Any] = []
    visitor.page.route(
        "**/predict*", lambda route: held.append(route) if "messages" in route.request.post_data else route.continue_()
    )
    visitor.page.locator("#message textarea").fill("second")
    visitor.press("New chat")
    visitor.page.locator("#message textarea").press("Enter")
    visitor.page.wait_for_timeout(500)
    held[0].continue_()
    expect(visitor.answers).to_have_text(["2 second <b>!</b>"])
    visitor.wait_until_free()
    assert [one["content"] for one in model.asked[-1]] == ["second"]
    visitor.list()
    expect(visitor.rows).to_have_text(["second", "first"])
