"""A model from another host: typed as an address, fetched by the browser, found again without a network."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class Elsewhere(SimpleHTTPRequestHandler):
    """A host like the hub's: other pages may read its files, but for those in /closed."""

    def end_headers(self) -> None:
        if not self.path.startswith("/closed"):
            self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def do_OPTIONS(self) -> None:  # the browser asks before it sends a range
        self.send_response(204)
        self.send_header("Access-Control-Allow-Headers", "range")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def elsewhere(tmp_path: Path, chat_gguf: Path) -> Iterator[str]:
    folder = tmp_path / "elsewhere"
    (folder / "closed").mkdir(parents=True)
    for path in (folder / "other model.gguf", folder / "closed" / "model.gguf"):
        shutil.copyfile(chat_gguf, path)
    (folder / "page.gguf").write_text("<!doctype html> this is no model")

    def handler(*args: Any) -> Elsewhere:
        return Elsewhere(*args, directory=str(folder))

    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def page(real_site: Path, browser: Any, serving: Callable[[Path], AbstractContextManager[str]]) -> Iterator[Any]:
    with serving(real_site) as url:
        context = browser.new_context(locale="en-US")
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        opened.goto(url)
        opened.wait_for_selector("[data-ready]", state="attached")
        yield opened
        context.close()


def fetch(page: Any, address: str) -> None:
    page.click("#open-models")
    page.fill("#address", address)
    page.press("#address", "Enter")


def test_a_model_of_another_host_answers_and_is_there_without_that_host(page: Any, elsewhere: str) -> None:
    fetch(page, elsewhere + "other%20model.gguf")
    page.wait_for_selector("#model-dot[data-state=ready]")
    assert page.inner_text("#model-label") == "other model.gguf"
    page.context.route(elsewhere + "**", lambda route: route.abort())
    page.reload()
    page.wait_for_selector("[data-ready]", state="attached")
    assert page.inner_text("#model-label") == "other model.gguf", "the choice is remembered"
    page.fill("#prompt", "The cat")
    page.press("#prompt", "Enter")
    page.wait_for_selector(".acts, #notice:not([hidden])")
    assert page.get_attribute("#model-dot", "data-state") == "ready"
    page.click("#open-models")
    page.wait_for_selector("#kept-list li")
    card = page.locator(".model", has_text="other model.gguf")
    assert card.locator("input").is_checked()


def test_a_host_that_lets_no_other_page_read_is_told(page: Any, elsewhere: str) -> None:
    fetch(page, elsewhere + "closed/model.gguf")
    page.wait_for_selector("#notice:not([hidden])")
    assert "CORS" in page.inner_text("#notice-text")


def test_what_is_no_model_is_told_and_offered_no_more(page: Any, elsewhere: str) -> None:
    fetch(page, elsewhere + "page.gguf")
    page.wait_for_selector("#notice:not([hidden])")
    assert "not a GGUF" in page.inner_text("#notice-text")
    page.click("#open-models")
    assert page.locator(".model", has_text="page.gguf").count() == 0


@pytest.mark.parametrize(
    "typed", ["", "model", "ftp://host/model.gguf", "javascript:alert(1)//.gguf", "https://host/model.safetensors"]
)
def test_what_is_no_address_of_a_gguf_is_asked_for_nothing(open_page: Callable[..., Any], typed: str) -> None:
    page = open_page()
    fetch(page, typed)
    assert page.evaluate("document.querySelector('#address').validationMessage").startswith("This is no address")
    assert page.evaluate("typeof loadedSource") == "undefined"


def test_the_hub_s_page_about_a_file_stands_for_the_file(open_page: Callable[..., Any]) -> None:
    page = open_page()
    fetch(page, "https://huggingface.co/me/mine/blob/main/a-00001-of-00003.gguf")
    page.wait_for_selector("#model-dot[data-state=ready]")
    assert page.evaluate("loadedSource") == "https://huggingface.co/me/mine/resolve/main/a-00001-of-00003.gguf"
