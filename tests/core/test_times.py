"""What each type costs in time: the figures that are kept, and who says them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lilm.export.block_types import FAST, PLAIN, WHOLE
from lilm.export.stage import check
from lilm.fit.command import slow_lines
from lilm.fit.fits import fit_matrix
from lilm.fit.known import times
from lilm.fit.known.devices import find_device
from lilm.fit.known.times import BACKENDS, FILE, Measured, TypeTime, known_times, record_times, slow_words
from lilm.fit.known.types import much_used
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import ExportConfig
from tests.core.test_fit import SMALL, USE

MADE = Measured(
    "measured by hand", {"Q3_K": TypeTime(1.94, 2.6), "Q5_1": TypeTime(1.1, 1.2), "Q4_0": TypeTime(1.0, 1.0)}
)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser measured by hand, nothing else."""
    monkeypatch.setattr(times, "known_times", lambda: {"browser": MADE})
    monkeypatch.setattr("lilm.fit.command.known_times", lambda: {"browser": MADE})


def test_every_type_that_a_file_may_have_was_measured_on_both_backends() -> None:
    known = known_times()
    assert set(known) == set(BACKENDS)
    for measured in known.values():
        assert measured.source.startswith("measured by lilm bench types on ")
        assert set(measured.types) == {*FAST, *PLAIN, WHOLE}
        assert measured.types["Q4_0"] == TypeTime(1.0, 1.0)
        assert all(min(one.decode, one.prefill) > 0.1 for one in measured.types.values())


@pytest.mark.usefixtures("made")
def test_what_is_said_of_a_file_with_slow_types() -> None:
    assert slow_words(["Q3_K", "Q5_1", "Q4_0", "MXFP4"], "browser") == [
        "Q3_K: 1.9 times the time of Q4_0, 2.6 times for a prompt"
    ]
    assert slow_words(["Q3_K"], "arm") == []
    mixed = replace(SMALL, matrix_bytes={"Q4_0": 70, "Q3_K": 25, "F16": 5})
    assert much_used(replace(SMALL, matrix_bytes={"Q4_0": 95, "Q3_K": 5})) == ["Q4_0"]
    lines = slow_lines([find_device("iphone-safari"), find_device("android-6gb")], {"mix.gguf": mixed})
    assert lines == [
        "mix.gguf in a browser: Q3_K: 1.9 times the time of Q4_0, 2.6 times for a prompt",
        "times in a browser: measured by hand",
    ]
    row = fit_matrix([find_device("iphone-safari")], {"mix.gguf": mixed, "b": SMALL}, USE)[0]
    assert (row["slow"], list(row["times"])) == ([], ["mix.gguf"])


@pytest.mark.usefixtures("made")
def test_a_slow_type_among_mix_types_is_said_in_one_line_before_anything_starts() -> None:
    said: list[str] = []
    reporter = Reporter(quiet=True)
    reporter.say = said.append  # type: ignore[method-assign]
    context = Context(0, 1, "ja", "en", reporter)
    check(ExportConfig(target_mb=3), context)
    check(ExportConfig(mix_types=("Q4_0", "Q3_K")), context)
    assert said == [], "the six are the default, and without a budget no type is chosen"
    check(ExportConfig(target_mb=3, mix_types=("Q4_0", "Q3_K", "Q5_1")), context)
    assert said == [
        "  export.mix_types: in a browser Q3_K: 1.9 times the time of Q4_0, 2.6 times for a prompt — on phones "
        "llama.cpp repacks no Q3_K, Q5_1"
    ]


def test_a_backend_that_was_not_measured_again_keeps_its_figures(tmp_path: Path) -> None:
    record_times({"native": MADE, "browser": MADE}, tmp_path)
    path = record_times({"native": Measured("again", {"Q4_0": TypeTime(1.0, 1.0)})}, tmp_path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (path.name, found["native"]["source"], found["browser"]["source"]) == (FILE, "again", "measured by hand")
