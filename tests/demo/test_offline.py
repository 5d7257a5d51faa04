"""The page opens without a network, and a new version of it takes over when the visitor says so."""

import json
import shutil
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lilm.demo.stage import SERVICE_WORKER, list_files, page_files
from tests.demo.conftest import Faults, faulty_handler

KEPT = "async (count) => (await (await caches.open('lilm-files')).keys()).length === count"
Serving = Callable[[Path], AbstractContextManager[str]]


def ready(page: Any) -> None:
    page.wait_for_selector("[data-ready]", state="attached")


def wait_until_kept(page: Any, folder: Path, *, but: int = 0, sites: int = 1) -> None:
    """Until the browser has all different files of the site (`but` so many), of so many sites alike."""
    hashes = json.loads((folder / SERVICE_WORKER).read_text().split("\n};")[0].removeprefix("const FILES = ") + "}")
    for _ in range(200):
        if page.evaluate(KEPT, sites * len(set(hashes.values())) - but):
            return
        page.wait_for_timeout(50)
    pytest.fail("the page's files are not kept")


def answer(page: Any, text: str) -> str:
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")
    page.wait_for_selector(".turn.assistant:last-child .acts", timeout=60_000)
    return str(page.inner_text(".turn.assistant:last-child .text"))


def test_page_and_model_need_the_network_only_once(browser: Any, real_site: Path, serving: Serving) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    with serving(real_site) as url:
        page.goto(url)
        ready(page)
        wait_until_kept(page, real_site)
        page.click("#open-settings")
        page.fill("#set-n_predict", "16")
        page.keyboard.press("Escape")
        answer(page, "The cat")
    page.reload()  # the server is gone
    ready(page)
    assert page.evaluate("crossOriginIsolated")
    page.click("#new-chat")
    assert answer(page, "The mat")
    context.close()


def renew(site: Path) -> None:
    """Make a new version of the site: the body of its page has a class."""
    page = (site / "index.html").read_text(encoding="utf-8")
    (site / "index.html").write_text(page.replace("<body>", "<body class='new'>"), encoding="utf-8")
    (site / SERVICE_WORKER).write_bytes(page_files()[SERVICE_WORKER])
    list_files(site)


def test_a_new_version_is_there_at_the_next_visit(browser: Any, site: Path, serving: Serving) -> None:
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    with serving(site) as url:
        page.goto(url)
        ready(page)
        wait_until_kept(page, site / "site")
        renew(site / "site")
        for _ in range(10):  # so soon after the first visit Chromium puts off looking for new versions
            page.wait_for_timeout(1500)
            page.reload()
            page.wait_for_timeout(1000)
            if page.locator("[data-ready] body.new").count():
                break
        page.wait_for_selector("[data-ready] body.new")
    context.close()


def test_while_other_tabs_are_open_a_new_version_waits_for_the_visitor(
    browser: Any, site: Path, serving: Serving
) -> None:
    context = browser.new_context(locale="en-US")
    page, other = context.new_page(), context.new_page()
    with serving(site) as url:
        for tab in (page, other):
            tab.goto(url)
            ready(tab)
        wait_until_kept(page, site / "site")
        renew(site / "site")
        page.reload()
        page.wait_for_selector("#notice:not([hidden])")
        assert page.locator("body.new").count() == 0
        page.click("#notice-action")
        page.wait_for_selector("body.new")
    context.close()


@pytest.mark.parametrize("headers", [True, False])
def test_a_file_that_is_not_the_list_s_is_not_kept(
    browser: Any, site: Path, serving: Serving, monkeypatch: pytest.MonkeyPatch, headers: bool
) -> None:
    """As on a host that changes files: the page works, with threads, as long as there is a network."""
    if not headers:
        monkeypatch.setattr("lilm.demo.handler.HEADERS", {})
    with (site / "site" / "style.css").open("a") as file:
        file.write("/* added by the host */")
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    with serving(site) as url:
        page.goto(url)
        ready(page)
        wait_until_kept(page, site / "site", but=1)
        page.reload()
        ready(page)
        assert page.evaluate("crossOriginIsolated")
        assert "added by the host" in page.evaluate("fetch('style.css').then((response) => response.text())")
    context.close()


def test_two_pages_of_one_host_leave_each_other_s_files_and_words_alone(
    browser: Any, site: Path, tmp_path: Path
) -> None:
    """As two projects on one account's GitHub Pages are."""
    for name in "ab":
        shutil.copytree(site / "site", tmp_path / "host" / name)
    context = browser.new_context(locale="en-US")
    page = context.new_page()
    with ThreadingHTTPServer(("127.0.0.1", 0), faulty_handler(tmp_path / "host", Faults())) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        page.goto(f"{url}/a/")
        ready(page)
        wait_until_kept(page, site / "site")
        page.click("#open-settings")
        page.fill("#set-n_predict", "16")
        page.keyboard.press("Escape")
        answer(page, "of a alone")
        page.goto(f"{url}/b/")
        ready(page)
        wait_until_kept(page, site / "site", sites=2)
        assert page.locator(".turn").count() == 0
        assert page.input_value("#set-n_predict") != "16"
        server.shutdown()
    page.goto(f"{url}/a/")  # the server is gone
    ready(page)
    assert page.inner_text(".turn.user .text") == "of a alone"
    assert page.input_value("#set-n_predict") == "16"
    context.close()


def test_the_page_without_engine_and_models_is_small(site: Path, tmp_path: Path) -> None:
    made = shutil.copytree(site / "site", tmp_path / "page", ignore=shutil.ignore_patterns("models", "wasm"))
    for name, data in page_files().items():  # the fixture has a stand-in for some
        (made / name).write_bytes(data)
    zipped = shutil.make_archive(str(tmp_path.with_suffix(".page")), "zip", made)
    assert Path(zipped).stat().st_size < 100_000
