"""Somebody who opens the page and asks one thing."""

from typing import Any


def open_ready(context: Any, url: str) -> Any:
    """The page, when it can be asked."""
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(url)
    page.wait_for_selector("[data-ready]", state="attached")
    return page


def ask(page: Any) -> None:
    """A short answer comes, in words."""
    page.click("#open-settings")
    page.fill("#set-n_predict", "16")
    page.keyboard.press("Escape")
    page.fill("#prompt", "The cat")
    page.press("#prompt", "Enter")
    page.wait_for_selector(".turn.assistant .acts")
    assert page.inner_text(".turn.assistant .text").strip()
