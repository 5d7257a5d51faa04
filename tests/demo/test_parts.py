"""A model in parts, from the site and from the user's disk: the page with the real engine."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from lilm.export.shards import split_file
from lilm.gguf_parts import parts_of
from lilm.pipeline.stage import Context

LOADED = """(name) => document.querySelector("#model-label").textContent === name
  && document.querySelector("#model-dot").dataset.state === "ready\""""


@pytest.fixture
def site_in_parts(
    real_site: Path, tmp_path: Path, context: Context, make_site: Callable[..., Any], chat_gguf: Path
) -> Path:
    """The real site, made again of a model in parts."""
    inputs = {name: tmp_path / "inputs" / name for name in ("base", "export", "bench", "wasm")}
    (inputs["export"] / "model-Q8_0.gguf").unlink()
    parts = split_file(inputs["export"] / "model-Q4_K_M.gguf", chat_gguf.stat().st_size // 3)
    assert len(parts) > 2
    make_site(inputs, tmp_path / "parts", context, quants=("Q4_K_M",))
    return tmp_path / "parts"


def test_the_site_lists_every_part(site_in_parts: Path, chat_gguf: Path) -> None:
    (model,) = json.loads((site_in_parts / "models.json").read_text(encoding="utf-8"))["models"]
    parts = parts_of(site_in_parts / model["file"])
    assert [part["file"] for part in model["parts"]] == [f"models/{path.name}" for path in parts]
    assert model["bytes"] == sum(path.stat().st_size for path in parts) > chat_gguf.stat().st_size
    for part in model["parts"]:
        listed = json.loads((site_in_parts / part["chunks"]).read_text(encoding="utf-8"))
        assert (listed["bytes"], listed["sha256"]) == (part["bytes"], part["sha256"])


def test_the_page_opens_parts_keeps_them_and_takes_them_from_the_disk(
    site_in_parts: Path, browser: Any, serving: Callable[[Path], AbstractContextManager[str]]
) -> None:
    with serving(site_in_parts) as url:
        page = browser.new_context(locale="en-US").new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        page.wait_for_selector("[data-ready]", state="attached")
        page.click("#open-models")
        page.click("#load")
        page.wait_for_selector("#model-dot[data-state=ready]")
        page.click("#open-models")
        page.wait_for_selector("#kept-list li")
        count = len(parts_of(next((site_in_parts / "models").glob("*-00001-of-*.gguf"))))
        assert page.locator("#kept-list li").count() == count
        assert "on this device" in page.inner_text(".model >> nth=0")
        files = sorted((site_in_parts / "models").glob("*.gguf"), reverse=True)
        page.set_input_files("#file", files)
        page.wait_for_function(LOADED, arg=files[-1].name)
        page.set_input_files("#file", files[:-1])
        page.wait_for_selector("#notice:not([hidden])")
        assert "not a GGUF model" in page.inner_text("#notice")
        page.context.close()
