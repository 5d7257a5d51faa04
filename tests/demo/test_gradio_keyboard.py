"""The Gradio chat by the keyboard alone."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.demo.gradio_visitor import Model, Visitor

Visit = Callable[..., Visitor]


def test_a_whole_chat_needs_no_mouse(visit: Visit, model: Model) -> None:
    """Asked, stopped, gone on with, given again; the list opened, another conversation chosen, the list closed."""
    visitor = visit()
    visitor.reach("Message")
    visitor.type("first")
    expect(visitor.answers).to_have_text(["1 first <b>!</b>"])
    visitor.wait_until_free()
    visitor.reach("New chat")
    visitor.page.keyboard.press("Enter")
    expect(visitor.asked).to_have_count(0)
    visitor.reach("Message")
    visitor.type("wait")
    expect(visitor.answers).to_have_text(["2 wait"])
    visitor.reach("Stop")
    visitor.page.keyboard.press("Enter")
    visitor.wait_until_free()
    model.go_on.set()
    visitor.reach("Continue")
    visitor.page.keyboard.press("Space")
    expect(visitor.answers).to_have_text(["2 wait and the rest"])
    visitor.wait_until_free()
    visitor.reach("Retry")
    visitor.page.keyboard.press("Enter")
    expect(visitor.answers).to_have_text(["4 wait <b>!</b>"])
    visitor.wait_until_free()
    visitor.reach("Version before")
    visitor.page.keyboard.press("Enter")
    expect(visitor.answers).to_have_text(["2 wait and the rest"])
    visitor.reach("Conversations")
    visitor.page.keyboard.press("Enter")
    expect(visitor.rows).to_have_text(["wait", "first"])
    visitor.reach("first")
    visitor.page.keyboard.press("Enter")
    expect(visitor.asked).to_have_text(["first"])
    visitor.reach("Edit")
    visitor.page.keyboard.press("Enter")
    visitor.page.keyboard.press("ControlOrMeta+a")
    visitor.page.keyboard.type("other")
    visitor.reach("Submit")
    visitor.page.keyboard.press("Enter")
    expect(visitor.answers).to_have_text(["5 other <b>!</b>"])
    visitor.wait_until_free()
    visitor.reach("Conversations")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("#talks")).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.locator("#talks")).to_be_hidden()
    expect(visitor.page.locator("#open-talks")).to_be_focused()
