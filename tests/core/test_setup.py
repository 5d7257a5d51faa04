"""`lilm setup` fetches what the doctor misses and LiLM can fetch, and tells the rest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lilm.cli import doctor
from lilm.cli.doctor import NEEDS, Finding, Need, Status, show_findings
from lilm.cli.setup import set_up
from lilm.errors import LilmError
from lilm.progress import Reporter


class Thing:
    """A need whose check says `status` until it has been fetched."""

    def __init__(self, name: str, status: Status, optional: bool = False, error: str = "") -> None:
        self.name, self.status, self.optional, self.error = name, status, optional, error
        self.fetched = 0

    def check(self) -> Finding:
        there = self.status == "ok"
        return Finding(self.name, self.status, "1" if there else "–", "all", f"get {self.name}", self.optional)

    def fetch(self, reporter: Reporter) -> None:
        self.fetched += 1
        if self.error:
            raise LilmError(self.error, remedy="try again later")
        self.status = "ok"

    def need(self, can: bool = True) -> Need:
        return Need(self.check, self.fetch if can else None)


Say = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Say:
    def read() -> str:
        found = capsys.readouterr()
        return f"{found.err}\n{found.out}"

    return read


def test_what_is_missing_is_fetched_and_what_is_there_is_left(said: Say) -> None:
    gone, old, fine, slow = (
        Thing("gone", "missing"),
        Thing("old", "too old"),
        Thing("fine", "ok"),
        Thing("slow", "slow"),
    )
    assert set_up(Reporter(), [thing.need() for thing in (gone, old, fine, slow)]) == 0
    assert [thing.fetched for thing in (gone, old, fine, slow)] == [1, 1, 0, 0]
    text = said()
    assert "gone: missing; needed for all" in text and text.rstrip().endswith("Ready.")


def test_what_cannot_be_fetched_is_told_with_its_command_and_the_doctors_code(said: Say) -> None:
    gone, node = Thing("gone", "missing"), Thing("node", "missing")
    assert set_up(Reporter(), [node.need(can=False), gone.need()]) == 1
    text = said()
    assert gone.fetched == 1 and node.fetched == 0
    assert "get node" in text and text.rstrip().endswith("1 of 2 to mend.")


def test_one_that_fails_does_not_stop_the_others(said: Say) -> None:
    broken, gone = Thing("broken", "missing", error="no network"), Thing("gone", "missing")
    assert set_up(Reporter(), [broken.need(), gone.need()]) == 1
    text = said()
    assert gone.fetched == 1
    assert "not fetched: no network — try again later" in text and "get broken" in text
    optional = Thing("extra", "missing", optional=True, error="no network")
    assert set_up(Reporter(), [optional.need()]) == 0


def test_the_doctor_names_what_setup_would_fetch(said: Say) -> None:
    needs = [Thing("gone", "missing").need(), Thing("node", "missing").need(can=False), Thing("fine", "ok").need()]
    show_findings(findings=[need.find() for need in needs])
    (line,) = [one for one in said().splitlines() if one.startswith("without root: ")]
    assert line.endswith("setup` fetches gone")


def test_emscripten_and_its_source_are_what_can_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "in_python", lambda code: ('["2.0", 0, ""]', ""))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LILM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EMSDK", raising=False)
    found = [need.find() for need in NEEDS]
    assert [one.name for one in found if one.fetchable] == ["emcc", "llama.cpp source"]
    asked: list[Path] = []
    monkeypatch.setattr("lilm.wasm.toolchain_fetch.fetch_toolchain", lambda folder, reporter: asked.append(folder))
    doctor.fetch_emcc(Reporter(quiet=True))
    assert asked == [tmp_path / "cache" / "toolchain"]


def test_an_emsdk_of_ones_own_is_not_fetched_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    emcc = tmp_path / "emsdk" / "upstream" / "emscripten" / "emcc"
    emcc.parent.mkdir(parents=True)
    emcc.write_text("#!/bin/sh\necho emcc 2.0.1\n")
    emcc.chmod(0o755)
    monkeypatch.setenv("EMSDK", str(tmp_path / "emsdk"))
    with pytest.raises(LilmError, match="EMSDK is set"):
        doctor.fetch_emcc(Reporter(quiet=True))


def test_the_source_is_found_where_it_was_fetched_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LILM_CACHE", str(tmp_path))
    before = doctor.llama_cpp_source()
    assert before.status == "missing" and before.optional and "setup` fetches it" in before.remedy
    fetched: list[str] = []

    def fetch(release: str) -> None:
        from lilm.wasm.source import sdist_file

        fetched.append(release)
        sdist_file(release).parent.mkdir(parents=True)
        sdist_file(release).touch()

    monkeypatch.setattr("lilm.wasm.source.fetch_sdist", fetch)
    doctor.fetch_llama_cpp_source(Reporter(quiet=True))
    assert fetched == [doctor.LLAMA_CPP_PYTHON] and doctor.llama_cpp_source().status == "ok"
