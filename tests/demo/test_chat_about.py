"""What the Gradio chat tells of the file that answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lilm.demo.chat import launch
from lilm.demo.chat_about import about_model


@pytest.fixture
def of_a_run(tmp_path: Path, chat_gguf: Path) -> Path:
    """A run's file, which was measured."""
    for name in ("export", "bench"):
        (tmp_path / name).mkdir()
    file = Path(shutil.copy(chat_gguf, tmp_path / "export" / "model-Q4_0.gguf"))
    quality = {"ja": {"bits_per_byte": 1.8246, "kld_mean": 0.0589}, "en": {"bits_per_byte": 1.2301, "kld_mean": None}}
    row = {"name": file.name, "bytes": file.stat().st_size, "quality": quality}
    (tmp_path / "bench" / "report.json").write_text(json.dumps({"files": [row]}))
    return file


def test_a_run_s_file_is_told_of_with_what_was_measured(of_a_run: Path) -> None:
    about = about_model(of_a_run)
    assert "Japanese: 1.825 bits per byte, and 0.0589 nats a token away" in about["en"]
    assert "English: 1.230 bits per byte\n" in about["en"], "what is not known is not told"
    assert "日本語：1 バイトあたり 1.825 ビット" in about["ja"]
    assert f"{of_a_run.stat().st_size / 1e6:,.1f} MB" in about["en"]


def test_other_bytes_than_were_measured_have_no_figures(of_a_run: Path, chat_gguf: Path) -> None:
    assert "was not measured" in about_model(chat_gguf)["en"], "nobody's file"
    with of_a_run.open("ab") as file:
        file.write(b"\0")
    assert "was not measured" in about_model(of_a_run)["en"], "written again since"


def test_a_broken_report_is_told_of_and_stops_no_chat(of_a_run: Path) -> None:
    report = of_a_run.parent.parent / "bench" / "report.json"
    for broken in ("{", "[]", '{"files": [{}]}', '{"files": [1]}'):
        report.write_text(broken)
        told = about_model(of_a_run)["en"]
        assert "this is no report of the stage bench" in told and "run the stage bench again" in told
        assert "It fits 23 of 23" in told and "bits per byte" not in told


def test_what_is_no_llama_is_told_of_without_a_way_into_the_page(tmp_path: Path) -> None:
    odd = tmp_path / "![x](y)`<b>.gguf"
    odd.write_bytes(b"GGUF")
    told = about_model(odd)["en"]
    assert "Where it fits is not known" in told
    assert "![x](" not in told and "<b>" not in told


def test_it_says_where_the_file_fits(of_a_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "It fits 23 of 23" in about_model(of_a_run)["en"]
    monkeypatch.setattr("lilm.demo.chat_about.longest_on", lambda device, model, use: 512 * (device.kind == "app"))
    told = about_model(of_a_run)["en"]
    assert "It fits 13 of 23" in told
    assert "| iPhone, any, iOS, Safari | browser | does not fit |" in told


def test_two_models_are_told_of_by_name(browser: Any, of_a_run: Path, chat_gguf: Path) -> None:
    chat = launch(of_a_run, block=False, threads=1, beside=chat_gguf)
    try:
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(chat.local_url)
        page.get_by_role("button", name="About this model").click()
        page.get_by_role("heading", name="model-Q4_0", level=2).wait_for(timeout=30_000)
        page.get_by_text("1.825").wait_for(timeout=30_000)
        assert page.get_by_text("was not measured").count() == 1
    finally:
        chat.close(verbose=False)


@pytest.mark.parametrize(
    ("locale", "name", "words"), [("en-GB", "About this model", "It fits"), ("ja-JP", "このモデルについて", "種のうち")]
)
def test_the_page_shows_it_in_the_visitor_s_language(
    browser: Any, of_a_run: Path, locale: str, name: str, words: str
) -> None:
    chat = launch(of_a_run, block=False, threads=1)
    try:
        page = browser.new_context(locale=locale, viewport={"width": 390, "height": 760}).new_page()
        page.goto(chat.local_url)
        page.get_by_role("button", name=name).click()
        page.get_by_text(words).wait_for(timeout=30_000)
        assert page.get_by_text("1.825").is_visible()
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) == 0, "nothing to scroll sideways on a phone"
    finally:
        chat.close(verbose=False)
