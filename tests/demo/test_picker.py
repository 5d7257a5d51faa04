"""Choosing a model: what fits, the chart whose points are buttons, what is kept on the device."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.demo.test_page import hold_answers, send, wait_for_letters

Open = Callable[..., Any]
KEPT = [
    {"key": "k1", "name": "model-Q4_K_M.gguf", "url": "models/model-Q4_K_M.gguf", "bytes": 1000, "complete": True},
    {"key": "k2", "name": "old.gguf", "url": "models/model-Q8_0.gguf", "bytes": 5_000_000, "complete": False},
    {"key": "k3", "name": "older.gguf", "url": "models/model-Q8_0.gguf", "bytes": 6_000_000, "complete": True},
]


def test_a_point_of_the_chart_chooses_its_model(open_page: Open) -> None:
    page = open_page()
    page.click("#open-models")
    page.click("button[aria-label='Try Q8_0: 2 kB, 1.2500 bits/byte']")
    assert page.is_checked("input[value='model-Q8_0.gguf']")
    assert page.evaluate("document.activeElement.ariaPressed") == "true"
    page.check("input[value='model-Q4_K_M.gguf']")
    assert page.get_attribute(".point >> nth=0", "aria-pressed") == "true"
    page.click(".point >> nth=1")
    page.click("#load")
    page.wait_for_selector("#model-dot[data-state=ready]")
    assert page.inner_text("#model-label") == "Q8_0"
    assert page.evaluate("loadedSource").endswith("models/model-Q8_0.gguf")


def test_the_chart_shows_distances_with_their_intervals_where_all_have_one(open_page: Open, site: Path) -> None:
    path = site / "site" / "models.json"
    listed = json.loads(path.read_text(encoding="utf-8"))
    for model, mean in zip(listed["models"], (0.02, 0.001), strict=True):
        model["quality"]["ja"] |= {"kld_mean": mean, "kld_ci95": [-mean, mean * 2]}
    path.write_text(json.dumps(listed), encoding="utf-8")
    page = open_page()
    page.click("#open-models")
    page.click("button[aria-label='Try Q8_0: 2 kB, divergence 0.0010']")
    assert "Distance from the unquantised model (Japanese)" in page.inner_text("#points-caption")
    assert page.get_attribute("#plot path", "d").count("V") == 3  # the axis, and the bar of each
    q4, q8 = (page.locator(".point").nth(at).bounding_box() for at in range(2))
    assert q4["y"] < q8["y"]  # further from the unquantised model


def test_whether_a_model_fits_is_said_in_words(open_page: Open, site: Path) -> None:
    page = open_page()
    page.click("#open-models")
    assert page.inner_text(".fit >> nth=0") in ("Fits this device.", "This browser does not tell whether it fits.")
    words = """async (gib) => {
      Object.defineProperty(navigator, "deviceMemory", { value: gib, configurable: true });
      const { fitOf } = await import("./fits.js");
      return [0.3e9, 0.8e9, 1.5e9, 5e9].map((memory) => fitOf({ memory }));
    }"""
    assert page.evaluate(words, 2) == ["fits", "tight", "too_big", "too_big"]
    assert page.evaluate(words, 0) == ["unknown", "unknown", "unknown", "too_big"]


def test_kept_models_are_listed_and_deleted(open_page: Open, site: Path) -> None:
    page = open_page()
    listed = json.loads((site / "site" / "models.json").read_text())["models"]
    versions = {Path(model["file"]).name: model["sha256"] for model in listed}
    page.evaluate(
        """(kept) => {
          globalThis.keptModels = kept.map((one) => ({ ...one, url: new URL(one.url, document.baseURI).href }));
        }""",
        [{**one, "tag": versions.get(one["name"], "old")} for one in KEPT],
    )
    page.click("#open-models")
    page.wait_for_selector("#kept-list li")
    assert "on this device" in page.inner_text(".model >> nth=0")
    assert "on this device" not in page.inner_text(".model >> nth=1")  # another version of it is kept
    assert "5.0 MB · partly downloaded" in page.inner_text("#kept-list li >> nth=1")
    for left, name in ((2, "old"), (1, "older"), (0, "model-Q4_K_M")):
        page.click(f"[aria-label='Delete {name}.gguf from this device']")
        expect(page.locator("#kept-list li")).to_have_count(left)
    assert page.is_hidden("#kept")


def test_on_a_phone_the_picker_needs_no_sideways_scrolling(open_page: Open) -> None:
    page = open_page(viewport={"width": 360, "height": 700}, locale="ja-JP")
    page.click("#open-models")
    assert page.is_visible(".point >> nth=1")
    assert page.evaluate(
        "[...document.querySelectorAll('#models, #plot')].every((node) => node.scrollWidth <= node.clientWidth)"
    )


def test_the_model_that_comes_instead_of_another_shows_its_progress(open_page: Open) -> None:
    page = open_page()
    page.evaluate("globalThis.loadHeld = true")
    for place in (0, 1):
        page.click("#open-models")
        page.click(f"#model-list label >> nth={place}")
        page.click("#load")
        expect(page.locator("#loading-text")).to_contain_text("of 4.0 MB")
    page.wait_for_timeout(300)  # the first one has ended by then
    assert page.is_visible("#loading-bar") and page.is_visible("#loading-cancel")
    page.evaluate("globalThis.loadHeld = false")
    expect(page.locator("#loading")).to_be_hidden()
    assert page.inner_text("#model-label") == "Q8_0"


def test_a_model_that_is_loaded_is_not_given_up_for_a_new_chat(open_page: Open) -> None:
    page = open_page()
    page.evaluate("globalThis.loadHeld = true")
    page.click("#open-models")
    page.click("#load")
    expect(page.locator("#loading")).to_be_visible()
    page.click("#new-chat")
    page.wait_for_timeout(300)
    assert page.is_visible("#loading")
    page.evaluate("globalThis.loadHeld = false")
    expect(page.locator("#model-dot")).to_have_attribute("data-state", "ready")


def test_of_two_models_wished_for_while_an_answer_ends_the_last_is_loaded(open_page: Open) -> None:
    """Both were, at the same time, and the one that came last stayed beside the other."""
    page = open_page()
    hold_answers(page, 4)
    send(page, "hello")
    wait_for_letters(page, 4)
    page.evaluate(
        """() => {
          document.getElementById("open-models").click();
          for (const place of [1, 0, 1]) {
            document.querySelectorAll("#model-list input")[place].click();
            document.getElementById("load").click();
          }
        }"""
    )
    expect(page.locator("#model-dot")).to_have_attribute("data-state", "ready")
    expect(page.locator("#loading")).to_be_hidden()
    assert page.inner_text("#model-label") == "Q8_0"
    page.wait_for_timeout(300)
    assert page.evaluate("globalThis.alive") == 1 and page.inner_text("#model-label") == "Q8_0"
    assert "Q8_0" in page.evaluate("globalThis.loadedSource")


def test_a_model_that_is_wished_for_again_while_it_comes_comes(open_page: Open) -> None:
    """The second wish gave the first one up and then waited for that."""
    page = open_page()
    page.evaluate("globalThis.loadHeld = true")
    for _ in range(2):
        page.click("#open-models")
        page.click("#load")
        expect(page.locator("#loading-text")).to_contain_text("of 4.0 MB")
    page.evaluate("globalThis.loadHeld = false")
    expect(page.locator("#model-dot")).to_have_attribute("data-state", "ready")
    assert page.evaluate("globalThis.alive") == 1
