"""Takes the pictures of docs/, of a run that has a site: `python dev/docs/screenshots.py runs/quickstart`, and of the
run that `lilm bench real` leaves: `python dev/docs/screenshots.py runs/bench-real/contenders/ours --real`. Gradio's
chat with the first run's models: `python dev/docs/screenshots.py runs/quickstart --gradio`.

Needs Chromium, `pip install -e '.[dev]'` and a Japanese font (fonts-ipafont-gothic).
"""

import re
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from lilm.demo.chat import launch
from lilm.demo.serve import site_server
from lilm.wasm.verify.chromium import find_chromium

DOCS = Path(__file__).resolve().parents[2] / "docs"
QUESTION = "うさぎのおはなしをしてください。"
REAL = ("What is the capital of France?", "こんにちは。")
DESKTOP = {"viewport": {"width": 1000, "height": 640}, "locale": "ja-JP"}
PHONE = {"viewport": {"width": 390, "height": 760}, "locale": "ja-JP", "color_scheme": "dark", "device_scale_factor": 2}


def answered(page: Page) -> None:
    ask(page, QUESTION)


def both_answered(page: Page) -> None:
    for question in REAL:
        ask(page, question)


def ask(page: Page, question: str) -> None:
    """Ends with the answer."""
    acts = page.locator(".turn.assistant .acts")
    before = acts.count()
    page.fill("#prompt", question)
    page.press("#prompt", "Enter")
    acts.nth(before).wait_for(timeout=180_000)


def picker(page: Page) -> None:
    page.click("#open-models")
    page.locator(".point").last.scroll_into_view_if_needed()


def answered_in_gradio(page: Page, count: int) -> None:
    box = page.locator("#message textarea")
    box.fill(QUESTION)
    box.press("Enter")
    page.get_by_text(re.compile("tokens/s|トークン/秒")).nth(count - 1).wait_for(
        timeout=60_000
    )  # the line under the last answer


def of_gradio(run: Path) -> None:
    """Wide: the 4-bit file beside the unquantised one, on the same question. On a phone: the 4-bit file alone."""
    small, whole = (run / "export" / f"model-{quant}.gguf" for quant in ("Q4_K_M", "f16"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        wide = {**DESKTOP, "viewport": {"width": 1000, "height": 720}}
        for name, options, beside in (("gradio.png", wide, whole), ("gradio-phone.png", PHONE, None)):
            chat = launch(small, block=False, beside=beside)
            page = browser.new_context(**options).new_page()
            page.goto(chat.local_url)
            answered_in_gradio(page, 2 if beside else 1)
            page.wait_for_timeout(500)
            page.screenshot(path=DOCS / name)
            chat.close(verbose=False)
        browser.close()


def main(run: Path, real: bool) -> None:
    pictures: list[tuple[str, dict[str, Any], list[Any]]] = [
        ("page.png", DESKTOP, [answered]),
        ("phone.png", PHONE, [answered]),
        ("chart.png", {**DESKTOP, "locale": "en-US", "viewport": {"width": 760, "height": 900}}, [picker]),
    ]
    if real:
        pictures = [("real.png", DESKTOP, [both_answered])]
    with site_server(run).in_background() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for name, options, steps in pictures:
            page = browser.new_context(**options).new_page()
            page.goto(url)
            page.wait_for_selector("[data-ready]", state="attached")
            for step in steps:
                step(page)
            page.wait_for_timeout(500)  # the last transition
            page.screenshot(path=DOCS / name)
        browser.close()


if __name__ == "__main__":
    if "--gradio" in sys.argv:
        of_gradio(Path(sys.argv[1]))
    else:
        main(Path(sys.argv[1]), "--real" in sys.argv)
