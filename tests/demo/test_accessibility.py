"""The page and the Gradio chat under axe-core, in each of their states; the page by keyboard alone."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lilm.cache import cache_dir
from lilm.demo.chat import launch

AXE = "axe-core-4.10.3"
Open = Callable[..., Any]


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's script (MPL-2.0), from npm's registry the first time; never part of the project."""
    kept = cache_dir() / "tests" / f"{AXE}.js"
    if not kept.is_file():
        folder = tmp_path_factory.mktemp("axe")
        command = ["npm", "pack", "--silent", AXE.replace("core-", "core@")]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            pytest.skip("axe-core cannot be fetched (npm and its registry are needed)")
        with tarfile.open(folder / f"{AXE}.tgz") as packed:
            packed.extract("package/axe.min.js", folder, filter="data")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "package" / "axe.min.js", kept)
    return kept.read_text(encoding="utf-8")


def faults(page: Any) -> list[str]:
    page.wait_for_timeout(100)  # transitions of colours
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{one['id']}: {node['html'][:120]}: {node['failureSummary']}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_no_state_of_the_page_has_faults(open_page: Open, axe: str, scheme: str, locale: str) -> None:
    page = open_page(color_scheme=scheme, locale=locale)
    page.evaluate(axe)
    assert faults(page) == []
    page.click("#open-models")
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.click("#open-settings")
    page.fill("#set-n_predict", "16")
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.fill("#prompt", "- **a**")
    page.press("#prompt", "Enter")
    page.wait_for_selector(".turn.assistant .acts")
    assert faults(page) == []
    page.click(".turn.user .icon")
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.fill("#prompt", "say: | a |\n|---|\n| b |\n\n```\nc\n```" + "\n" * 20)
    page.press("#prompt", "Enter")
    page.wait_for_selector(".turn.assistant table")
    page.wait_for_selector("#context:not([hidden])")
    page.click(".turn.assistant:last-child .acts button >> nth=1")
    page.wait_for_selector(".place")
    assert faults(page) == []
    page.click("#open-talks")
    page.wait_for_selector(".talk")
    assert faults(page) == []
    page.click("#talk-list .icon >> nth=0")
    page.wait_for_selector("#talk-list input")
    assert faults(page) == []
    page.keyboard.press("Enter")
    page.click("#talk-list .icon >> nth=1")
    page.wait_for_selector("#deleted:not([hidden])")
    assert faults(page) == []
    page.keyboard.press("Escape")
    page.evaluate("killModel()")
    page.wait_for_selector("#notice:not([hidden])")
    assert faults(page) == []


@pytest.mark.parametrize("two", [False, True])
def test_no_state_of_the_gradio_chat_has_faults(browser: Any, axe: str, chat_gguf: Path, two: bool) -> None:
    chat = launch(chat_gguf, block=False, threads=1, beside=chat_gguf if two else None, n_predict=8)
    try:
        for scheme, locale in (("light", "en-US"), ("dark", "ja-JP")):
            context = browser.new_context(color_scheme=scheme, locale=locale)
            page = context.new_page()
            page.goto(chat.local_url)
            page.wait_for_selector("#message textarea")
            page.evaluate(axe)
            assert faults(page) == []
            page.fill("#message textarea", "Hello.")
            page.press("#message textarea", "Enter")
            page.wait_for_selector("text=/tokens|トークン/")  # the line under an answer
            page.wait_for_selector(".primary:visible")
            assert faults(page) == []
            if not two:  # two answers beside each other are not kept
                page.wait_for_selector("#chat .go-on")
                page.click("#chat .message-buttons-left button >> nth=-1")  # once more
                page.wait_for_selector("#chat .place")
                page.wait_for_selector(".primary:visible")
                assert faults(page) == []
                page.click("#open-talks")
                page.wait_for_selector("#talks .talk")
                assert faults(page) == []
                page.click("#talk-list .icon >> nth=0")
                page.wait_for_selector("#talk-list input")
                assert faults(page) == []
                page.keyboard.press("Enter")
                page.click("#talk-list .icon >> nth=1")
                page.wait_for_selector("#deleted:not([hidden])")
                assert faults(page) == []
                page.keyboard.press("Escape")
                page.wait_for_selector("#notice:not([hidden])")
                assert faults(page) == []
                page.click("#notice .icon")
            page.click(".label-wrap")  # the settings
            page.wait_for_selector("#system textarea")
            page.wait_for_timeout(500)
            assert faults(page) == []
            context.close()
    finally:
        chat.close(verbose=False)


def test_conversations_need_no_mouse(open_page: Open) -> None:
    page = open_page()
    page.evaluate("localStorage.setItem('lilm.sampling', '{\"n_predict\": 16}')")
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    page.focus("#prompt")
    page.keyboard.type("hello")
    page.keyboard.press("Enter")
    page.wait_for_selector(".more")
    page.focus("#open-talks")
    page.keyboard.press("Enter")
    page.wait_for_selector("#talks[open]")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel?.startsWith('Delete')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#deleted:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "deleted-undo"
    page.keyboard.press("Enter")
    page.wait_for_selector(".talk")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "open-talks"
    page.focus("#new-chat")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn", state="detached")
    page.focus("#open-talks")
    page.keyboard.press("Enter")
    page.wait_for_selector("#talks[open]")
    for _ in range(10):
        if page.evaluate(
            "document.activeElement.className === 'talk' && document.activeElement.innerText.includes('hello')"
        ):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".turn.user")
    assert "hello" in page.inner_text(".turn.user"), "the chosen conversation is shown again"


def test_the_keyboard_reaches_everything_and_comes_back(open_page: Open) -> None:
    page = open_page()
    page.evaluate("document.body.tabIndex = -1, document.body.focus()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "prompt"
    page.focus("#open-models")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    for _ in range(3):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('dialog') !== null")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "open-models"
