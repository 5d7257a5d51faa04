"""`lilm bench types`: the program that multiplies, and what is made of its figures."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.fit.known.times import TypeTime
from lilm.progress import Reporter
from lilm.wasm.bench import types
from lilm.wasm.bench.types import compared, measure, noise, read_samples

LINES = [
    '{"shape": "64x8", "type": "Q4_0", "decode": 2e-9, "prefill": 1e-9}',
    '{"shape": "64x8", "type": "Q5_1", "decode": 5e-9, "prefill": 2e-9}',
    '{"shape": "64x8", "type": "Q4_0", "decode": 4e-9, "prefill": 1e-9}',
    '{"shape": "64x8", "type": "Q5_1", "decode": 3e-9, "prefill": 2e-9}',
    '{"shape": "256x8", "type": "Q4_0", "decode": 1e-9, "prefill": 1e-9}',
    '{"shape": "256x8", "type": "Q5_1", "decode": 2.5e-9, "prefill": 4e-9}',
    '{"shape": "256x8", "type": "Q3_K", "decode": 1.9e-9, "prefill": 3e-9}',
]


def test_each_type_is_held_against_q4_0_of_the_same_shape_by_the_least_of_its_rounds() -> None:
    samples = read_samples(LINES)
    assert compared(samples) == {"Q4_0": TypeTime(1, 1), "Q5_1": TypeTime(2.0, 3.0), "Q3_K": TypeTime(1.9, 3.0)}
    assert noise(samples) == 0


@pytest.mark.parametrize("backend", ["native", "browser"])
def test_the_program_measures_every_type_that_fits_the_row(
    backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "browser":
        request.getfixturevalue("wasm_dir")
    elif shutil.which("cc") is None:
        pytest.skip("no C compiler")
    monkeypatch.setattr(types, "WEIGHTS", 100_000)
    written: list[Any] = []
    monkeypatch.setattr(types, "record_times", lambda found: written.append(found) or Path("data"))
    skip = {"native": "browser", "browser": "native"}[backend]
    shapes = ("64x96", "256x64")
    found = measure(Reporter(quiet=True), skip=skip, record=True, shapes=shapes, rounds=2)["backends"]
    assert list(found) == [backend]
    assert set(found[backend]["shapes"]["64x96"]) == {*("Q8_0", "Q4_0", "IQ4_NL", "Q5_1", "Q5_0", "Q4_1", "F16")}
    assert set(found[backend]["shapes"]["256x64"]) == set(types.TYPES) == set(found[backend]["types"])
    assert found[backend]["types"]["Q4_0"] == {"decode": 1.0, "prefill": 1.0}
    rows = [row for one in found[backend]["shapes"].values() for row in one.values()]
    assert all(0 < row[key] < 1e6 for row in rows for key in ("decode_ns", "prefill_ns"))
    assert list(written[0]) == [backend] and "measured by lilm bench types on" in written[0][backend].source


def test_a_backend_that_there_is_not_is_refused() -> None:
    with pytest.raises(LilmError, match="nothing called 'chromium'"):
        measure(Reporter(quiet=True), skip="chromium")
