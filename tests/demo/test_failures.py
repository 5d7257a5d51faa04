"""What the page says and offers when the real engine, the network or the browser fails: the chat always stays."""

import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from lilm.demo.chunks import chunk_list
from lilm.wasm.limits import usable_bytes

MODEL = "models/model-Q4_K_M.gguf"
Ask = Callable[[str], Any]


@pytest.fixture
def ask(browser: Any, at_home: Callable[[Any, str], None]) -> Iterator[Ask]:
    """Opens the page at a URL in a fresh profile and asks "The cat"."""
    # The tests change files behind the page's back, which the service worker would serve as they were.
    context = browser.new_context(locale="en-US", service_workers="block")

    def ask_at(url: str) -> Any:
        at_home(context, url)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        page.evaluate("localStorage.setItem('lilm.sampling', JSON.stringify({ n_predict: 16 }))")
        page.reload()
        page.wait_for_selector("[data-ready]", state="attached")
        page.fill("#prompt", "The cat")
        page.press("#prompt", "Enter")
        return page

    yield ask_at
    context.close()


def notice(page: Any) -> str:
    page.wait_for_selector("#notice:not([hidden])")
    assert page.inner_text(".turn.user .text") == "The cat"
    return str(page.inner_text("#notice-text"))


def answered(page: Any) -> None:
    page.wait_for_selector(".turn.assistant .acts")


def replace_model(site: Path, data: bytes) -> None:
    path = site / MODEL
    path.unlink()
    path.write_bytes(data)
    (site / f"{MODEL}.chunks.json").write_text(json.dumps(chunk_list(path)))


def put_number(data: bytes, key: str, value: int) -> bytes:
    """GGUF `data` with the 32-bit number under `key` replaced."""
    at = data.index(key.encode()) + len(key) + 4
    return data[:at] + struct.pack("<I", value) + data[at + 4 :]


def test_a_lost_network_is_told_and_the_download_goes_on_by_a_click(ask: Ask, faulty: Any) -> None:
    faulty.slow = 0.2
    page = ask(faulty.url)
    while len(faulty.asked) < 6:
        page.wait_for_timeout(50)
    faulty.down, faulty.slow = True, 0
    assert "could not be downloaded" in notice(page)
    faulty.down = False
    before = len(faulty.asked)
    page.click("#notice-action")
    answered(page)
    assert len(faulty.asked) - before < before + 8


def test_a_damaged_download_is_refused(ask: Ask, faulty: Any) -> None:
    faulty.corrupt = set(range(1000))
    assert "is damaged" in notice(ask(faulty.url))


def test_a_worker_that_is_ended_is_loaded_again_without_a_reload(ask: Ask, faulty: Any) -> None:
    page = ask(faulty.url)
    answered(page)
    next(worker for worker in page.workers if worker.url.endswith("/runtime/worker.mjs")).evaluate("close()")
    assert "browser ended the model" in notice(page)
    page.click("#notice-action")
    page.wait_for_selector("#model-dot[data-state=ready]")
    assert page.locator(".turn").count() == 2
    page.click("[aria-label='Answer again']")
    answered(page)


def test_a_worker_that_is_ended_in_an_answer_is_loaded_again_for_it(ask: Ask, faulty: Any) -> None:
    page = ask(faulty.url)
    answered(page)
    page.click("#open-settings")
    for name, value in {"temperature": 2, "top_p": 1, "top_k": 0, "min_p": 0, "n_predict": 1024}.items():
        page.fill(f"#set-{name}", str(value))
    page.click("#settings .primary")
    worker = next(worker for worker in page.workers if worker.url.endswith("/runtime/worker.mjs"))
    worker.evaluate("port => setTimeout(() => close(), 100)")
    page.click("[aria-label='Answer again']")
    assert "browser ended the model" in notice(page)
    page.fill("#prompt", "draft")
    page.click("#notice-action")
    answered(page)
    assert page.input_value("#prompt") == "draft"


def test_broken_files_are_refused_with_the_reason(ask: Ask, faulty: Any, real_site: Path) -> None:
    whole = (real_site / MODEL).read_bytes()
    name = struct.pack("<Q", 5) + b"llama"
    for data, words in (
        (b"<html>" * 100, "not a GGUF model"),
        (whole[: len(whole) // 2], "cut short"),
        (whole.replace(name, struct.pack("<Q", 5) + b"cobra", 1), "unknown model architecture: 'cobra'"),
    ):
        replace_model(real_site, data)
        page = ask(faulty.url)
        assert words in notice(page)
        page.evaluate("sessionStorage.clear(), localStorage.clear()")
        page.close()


def test_a_model_without_enough_memory_is_refused_with_the_reason(ask: Ask, faulty: Any, real_site: Path) -> None:
    """Its context would take 64 MiB and the browser is told to give 32."""
    n_ctx = 1 << 17
    replace_model(real_site, put_number((real_site / MODEL).read_bytes(), "llama.context_length", n_ctx))
    row = {"n_ctx": n_ctx, "initial_bytes": 32 << 20, "maximum_bytes": 32 << 20}
    model = {"file_bytes": (real_site / MODEL).stat().st_size, "n_ctx_train": n_ctx, "threads": [row]}
    limits = {"threads": usable_bytes("threads")}
    table = {"variants": ["threads"], "limits": limits, "n_ctx": n_ctx, "n_batch": 64, "threads": 2}
    (real_site / "wasm" / "memory.json").write_text(json.dumps({**table, "models": {"model-Q4_K_M.gguf": model}}))
    text = notice(ask(faulty.url))
    assert "not enough memory for this model (" in text and "allocate" in text


def test_a_model_beyond_wasm_is_refused_before_its_download(
    ask: Ask, real_site: Path, serving: Callable[[Path], AbstractContextManager[str]]
) -> None:
    path = real_site / MODEL
    path.unlink()
    with path.open("wb") as file:
        file.truncate(5 << 30)
    path.with_name(path.name + ".chunks.json").write_text(
        json.dumps({"bytes": 5 << 30, "sha256": "0" * 64, "chunk_bytes": 4 << 20, "chunks": ["0" * 64] * 1280})
    )
    with serving(real_site) as url:
        assert "too big for a browser (the file has 5.00 GiB" in notice(ask(url))
    os.truncate(path, 0)


def test_without_room_the_model_works_and_the_page_says_so(ask: Ask, browser: Any, faulty: Any) -> None:
    context = browser.contexts[-1]
    page = context.new_page()
    page.goto(faulty.url + "blank.html")
    limit = {"origin": faulty.url.rstrip("/"), "quotaSize": 100 << 10}
    context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", limit)
    page = ask(faulty.url)
    answered(page)
    assert "no room to keep the model" in notice(page)


def test_a_tab_in_the_background_goes_on_when_it_is_back(ask: Ask, browser: Any, faulty: Any) -> None:
    """Browsers stop the scripts of a tab that is not seen for long: here once in the download, once in an answer."""
    faulty.slow = 0.1
    page = ask(faulty.url)
    session = browser.contexts[-1].new_cdp_session(page)

    def sleep_for(seconds: float) -> None:
        session.send("Page.setWebLifecycleState", {"state": "frozen"})
        time.sleep(seconds)
        session.send("Page.setWebLifecycleState", {"state": "active"})

    while len(faulty.asked) < 3:
        page.wait_for_timeout(50)
    sleep_for(1)
    answered(page)
    page.click("#open-settings")
    for name, value in {"temperature": 2, "top_p": 1, "top_k": 0, "min_p": 0, "n_predict": 200}.items():
        page.fill(f"#set-{name}", str(value))
    page.click("#settings .primary")
    page.fill("#prompt", "The mat")
    page.press("#prompt", "Enter")
    page.locator(".turn").nth(2).wait_for()  # its answer may be over before one has looked
    sleep_for(1)
    page.wait_for_selector(".turn.assistant:last-child .acts")
    assert page.locator(".turn").count() == 4
    assert page.is_hidden("#notice")
    page.reload()
    page.locator(".turn").nth(3).wait_for()
    assert page.locator(".turn").count() == 4
