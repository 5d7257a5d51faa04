"""Takes the pictures of this folder, of a run that has a site: `python docs/screenshots.py runs/quickstart`.

Needs Chromium, `pip install -e '.[dev]'` and a Japanese font (fonts-ipafont-gothic).
"""

import sys
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from lilm.demo.serve import make_server
from lilm.wasm.verify.chromium import find_chromium

DOCS = Path(__file__).parent
QUESTION = "むかしむかし、"
DESKTOP = {"viewport": {"width": 1000, "height": 640}, "locale": "ja-JP"}
PHONE = {"viewport": {"width": 390, "height": 760}, "locale": "ja-JP", "color_scheme": "dark", "device_scale_factor": 2}


def answered(page: Page) -> None:
    page.fill("#prompt", QUESTION)
    page.press("#prompt", "Enter")
    page.wait_for_selector(".turn.assistant .acts", timeout=60_000)


def picker(page: Page) -> None:
    page.click("#open-models")
    page.locator(".point").last.scroll_into_view_if_needed()


def main(run: Path) -> None:
    pictures: list[tuple[str, dict[str, Any], list[Any]]] = [
        ("page.png", DESKTOP, [answered]),
        ("phone.png", PHONE, [answered]),
        ("chart.png", {**DESKTOP, "locale": "en-US", "viewport": {"width": 760, "height": 900}}, [picker]),
    ]
    with make_server(run) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for name, options, steps in pictures:
            page = browser.new_context(**options).new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/")
            page.wait_for_selector("[data-ready]", state="attached")
            for step in steps:
                step(page)
            page.wait_for_timeout(500)  # the last transition
            page.screenshot(path=DOCS / name)
        browser.close()
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
