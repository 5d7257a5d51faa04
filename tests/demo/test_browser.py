"""The real engine in Chromium: it answers, it stops, and it chooses the tokens that native llama.cpp chooses."""

import json
import os.path
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from lilm.llamacpp.engine import Engine

N_PREDICT = 32
CLOSE = 0.05  # logits nearer than this may change places between two builds of the same sums

COMPLETE = """async ([file, prompt, n_predict]) => {
  const { load } = await import("./wasm/runtime/lilm.mjs");
  const model = await load(file);
  const result = await model.complete(prompt, { temperature: 0, repeat_penalty: 1, n_predict });
  const stats = await model.stats();
  await model.unload();
  return { text: result.text, tokens: result.tokens, variant: stats.variant, threads: stats.threads };
}"""

TRIES = 10
STOP_AT_THE_FIRST_WORDS = """() => {
  const seen = new MutationObserver(() => {
    if (document.querySelector(".writing .text")?.textContent.length > 2) {
      seen.disconnect();
      document.querySelector("#stop").click();
    }
  });
  seen.observe(document.querySelector("#log"), { subtree: true, childList: true, characterData: true });
}"""


@pytest.fixture
def page(
    finished_run: Path,
    browser: Any,
    serving: Callable[[Path], AbstractContextManager[str]],
    at_home: Callable[[Any, str], None],
) -> Iterator[Any]:
    with serving(finished_run) as url:
        context = browser.new_context(locale="ja-JP")
        at_home(context, url)
        opened = context.new_page()
        opened.set_default_timeout(120_000)
        opened.goto(url)
        opened.wait_for_selector("[data-ready]", state="attached")
        yield opened
        context.close()


def ask_again(page: Any) -> None:
    """Also when the last answer was without a word, and there is nothing of it to press."""
    again = page.locator("#notice-action:visible, [aria-label='もう一度答える']:visible")
    if again.count():
        again.last.click()
    else:
        page.fill("#prompt", "むかしむかし")
        page.press("#prompt", "Enter")


def test_a_prompt_is_answered_in_a_stream_and_stop_works(page: Any) -> None:

    page.fill("#prompt", "むかしむかし、あるところに")
    page.press("#prompt", "Enter")
    page.wait_for_selector(".acts, #notice:not([hidden])")
    while page.is_visible("#notice"):  # so small a model may end without a word, which the page tells
        page.click("#notice-action")
        page.wait_for_selector(".acts, #notice:not([hidden])")
    assert page.inner_text(".turn.assistant .text").strip()
    assert page.evaluate("crossOriginIsolated")
    # Once more, with words so random that it goes on for long, and stopped from inside the page at the first ones.
    page.click("#open-settings")
    for name, value in {"temperature": 2, "top_p": 1, "top_k": 0, "min_p": 0, "n_predict": 1024}.items():
        page.fill(f"#set-{name}", str(value))
    page.click("#settings .primary")
    for _ in range(TRIES):  # words so random may be over at once
        page.evaluate(STOP_AT_THE_FIRST_WORDS)
        ask_again(page)
        page.wait_for_selector(".writing", state="detached")
        notes = page.locator(".acts .note")
        if notes.count() and "停止しました" in notes.last.inner_text():
            return
    pytest.fail("the stop button stopped nothing")


@pytest.mark.parametrize("prompt", ["むかしむかし、", "Once upon a time"])
def test_chromium_and_native_choose_the_same_tokens(page: Any, finished_run: Path, prompt: str) -> None:
    listed = json.loads((finished_run / "site" / "models.json").read_text(encoding="utf-8"))["models"]
    for model in listed:
        browsers = page.evaluate(COMPLETE, [model["file"], prompt, N_PREDICT])
        with Engine(finished_run / "site" / model["file"], n_ctx=128, threads=1) as engine:
            native = engine.greedy(prompt, N_PREDICT)
            if browsers["text"] == native.text:
                assert browsers["tokens"] - len(native.ids) in (0, 1)  # 1: the end token, which has no text
                continue
            same = len(os.path.commonprefix([native.text, browsers["text"]]))  # noqa: RUF071 - characters are meant
            shorter = [len(engine.greedy(prompt, count).text) <= same for count in range(len(native.ids))]
        assert native.gaps[shorter.count(True) - 1] < CLOSE, (native.text, browsers["text"])
