"""Two tabs with one conversation open, in Chromium: neither loses what the other wrote. The engine is a stand-in."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.demo.test_conversations import SHORT, again, another_tab, names, questions
from tests.demo.test_page import hold_answers, let_go, send

Open = Callable[..., Any]


@pytest.fixture
def asked(open_page: Open) -> Any:
    """A page with a conversation of three questions, each answered by 16 letters."""
    page = open_page()
    page.evaluate(SHORT)
    again(page)
    for place, text in enumerate(("one", "two", "three")):
        ask(page, text, answers=place + 1)
    return page


def ask(page: Any, text: str, answers: int) -> None:
    """Ask, and wait until there are so many answers."""
    send(page, text)
    expect(page.locator(".turn.assistant .acts")).to_have_count(answers)
    expect(page.locator("#stop")).to_be_hidden()


def edit(page: Any, place: int) -> None:
    page.locator(".turn.user .icon").nth(place).click()


def test_a_question_edited_while_another_tab_began_anew_follows_what_is_there(asked: Any) -> None:
    """It was put in its old place behind the end, after which the conversation could not be read any more."""
    other = another_tab(asked)
    edit(asked, 2)
    hold_answers(other, 0)
    edit(other, 0)
    send(other, "uno")
    expect(asked.locator(".turn.user .text")).to_have_text(["uno"])
    other.click("#stop")  # so that it has no answer
    expect(other.locator("#stop")).to_be_hidden()
    ask(asked, "drei", answers=1)
    assert questions(asked) == ["drei"]
    again(asked)
    assert questions(asked) == ["drei"] and names(asked) == ["drei"]


def test_a_question_edited_takes_no_other_one_s_place(asked: Any) -> None:
    other = another_tab(asked)
    edit(asked, 1)
    edit(other, 0)
    ask(other, "uno", answers=1)
    ask(other, "dos", answers=2)
    expect(asked.locator(".turn.user .text")).to_have_text(["uno", "dos"])
    ask(asked, "zwei", answers=3)
    again(asked)
    assert questions(asked) == ["uno", "dos", "zwei"]


def test_what_is_written_and_not_sent_goes_with_the_copy(asked: Any) -> None:
    other = another_tab(asked)
    hold_answers(other, 4)
    send(other, "there")
    expect(asked.locator(".turn.user .text")).to_have_count(4)
    ask(asked, "here", answers=4)  # the other tab's answer, which it writes on to a copy, is none of these
    other.fill("#prompt", "half a")
    let_go(other)
    expect(other.locator("#notice")).to_contain_text("in a copy of it")
    expect(other.locator("#stop")).to_be_hidden()
    other.press("#prompt", "End")
    other.keyboard.type(" thought")
    again(other)
    assert questions(other)[-1] == "there"
    assert other.input_value("#prompt") == "half a thought"


def test_nothing_is_written_over_a_conversation_that_could_not_be_read(asked: Any) -> None:
    kept, said = asked.evaluate(
        """async () => {
          const { Shelf } = await import("./shelf.js");
          const shelf = await Shelf.open();
          const [talk] = await shelf.all();
          const twice = { role: "user", content: "a" };
          const error = await shelf.put({ ...talk, messages: [twice, twice] }).catch(({ message }) => message);
          return [(await shelf.get(talk.id)).messages.length, error];
        }"""
    )
    assert kept == 6 and "longer than" in said
