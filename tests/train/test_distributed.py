"""Two processes learn what one learns, with every ZeRO stage, also over a break."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("zero_script.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "PYTHONWARNINGS": "ignore"}


def run(*command: str | Path) -> None:
    result = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, env=ENVIRONMENT, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def read(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("alone")
    run(SCRIPT, folder)
    return read(folder, "whole-0")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("deepspeed", reason="ZeRO needs the extra `distributed`")
    folder = tmp_path_factory.mktemp("together")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    run(*torchrun, SCRIPT, folder, "0", "1", "2", "3")
    return folder


def curve(result: dict[str, Any], key: str) -> list[float]:
    return [entry[key] for entry in result["metrics"] if key in entry]


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_two_processes_learn_what_one_does(alone: dict[str, Any], together: Path, zero: int) -> None:
    found = read(together, f"whole-{zero}")
    for key in ("loss", "grad_norm", "bits_per_byte_en"):
        assert curve(found, key) == pytest.approx(curve(alone, key), abs=1e-4), key
    assert len(curve(found, "bits_per_byte_en")) == 3
    assert found["weights"] == pytest.approx(alone["weights"], rel=1e-4)
    assert found["kept"], "the rows to be kept have their bits"


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_a_broken_run_goes_on_to_the_same_bits(together: Path, zero: int) -> None:
    whole, resumed = read(together, f"whole-{zero}"), read(together, f"resumed-{zero}")
    assert resumed["metrics"] == whole["metrics"]
    assert resumed["weights"] == whole["weights"]


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_the_model_ends_with_the_best_weights(together: Path, zero: int) -> None:
    found, whole = read(together, f"best-{zero}"), read(together, f"whole-{zero}")
    first, best, last = curve(found, "bits_per_byte_en")
    assert found["measured"] == pytest.approx(best, abs=1e-6)
    assert min(abs(best - last), abs(best - first)) > 1e-3
    assert whole["measured"] == pytest.approx(last, abs=1e-6)
