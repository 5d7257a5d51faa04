"""`lilm bench gpu`, on a CPU at a small size: the code of a GPU, but for the attention's kernel and inductor."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.train.pack.packing import IGNORE
from lilm.train.pretrain.bench import gpu, gpu_blocks, gpu_checks
from lilm.train.pretrain.bench.gpu_part import Part, Teller, run_part
from lilm.train.trainer.batches import Batch

BUDGET = 3600.0  # seconds: nothing is cut here, however busy the machine is
FLOPS = 3e6  # FLOP/s that the pilot is told it can count on: as many steps as a test has time for


@pytest.fixture(scope="module")
def written() -> list[dict[str, Any]]:
    """What the file held, each time it was written."""
    return []


@pytest.fixture(scope="module")
def figures(
    pretrain_inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, written: list[dict[str, Any]]
) -> dict[str, Any]:
    """With real tokens of two languages; the parts in this process, which has torch at hand."""
    patch = pytest.MonkeyPatch()

    def here(part: Part, settings: Any, deadline: float, told: Callable[[dict[str, Any]], None]) -> str:
        part(replace(settings, flops=FLOPS), Teller(told, deadline))
        return ""

    def write(path: Path, value: Any) -> None:
        assert path.name == "gpu.json"
        written.append(json.loads(json.dumps(value)))

    patch.setattr(gpu, "run_part", here)
    patch.setattr(gpu, "write_json", write)
    try:
        return gpu.measure(
            Reporter(Console(quiet=True)),
            shape="tiny",
            device="cpu",
            minutes=BUDGET / 60,
            base=pretrain_inputs["base"],
            tokens=pretrain_inputs["pack"],
            json_file=tmp_path_factory.mktemp("gpu") / "gpu.json",
        )
    finally:
        patch.undo()


def test_every_check_holds_and_says_by_how_much(figures: dict[str, Any]) -> None:
    checks = figures["checks"]
    assert [name for name, one in checks.items() if isinstance(one, dict) and one["holds"]] == [
        check.__name__ for check in gpu_checks.CHECKS
    ]
    assert checks["attention_sees_borders"]["documents"] > gpu_checks.ROWS
    assert checks["resumed_is_the_same"]["same_bits"]
    assert checks["compiled_is_the_same"]["graphs"] == 1


def test_speed_is_of_the_best_try(figures: dict[str, Any]) -> None:
    speed = figures["speed"]
    assert speed["best"]["tokens_per_s"] == max(one["tokens_per_s"] for one in speed["tries"]) > 0
    assert len({one["rows"] for one in speed["tries"]}) == 2
    assert all(one["first_step_s"] > 0 for one in speed["tries"])
    assert 0 < speed["seen_share"] < 1


def test_blocks_come_nearer_to_the_model_that_teaches_them(figures: dict[str, Any]) -> None:
    blocks = figures["blocks"]
    assert blocks["steps"] == gpu_blocks.STEPS and blocks["ended"] == ""
    assert 0 < blocks["kld_last"] < 0.95 * blocks["kld_first"]
    assert blocks["tokens_per_s"] > 0


def test_the_pilot_learns_both_languages(figures: dict[str, Any]) -> None:
    pilot = figures["pilot"]
    assert pilot["steps"] == pilot["steps_planned"] > 20
    assert pilot["new_rows"] > 0, "the tokenizer has more pieces than the base has rows"
    assert list(pilot["before"]) == list(pilot["after"]) == ["ja", "en"]
    assert pilot["after"]["ja"] < pilot["before"]["ja"]
    assert pilot["loss_last"] < pilot["loss_first"]


def test_the_file_has_what_was_found_before_the_end(written: list[dict[str, Any]], figures: dict[str, Any]) -> None:
    counts = [len([one for one in state["checks"].values() if isinstance(one, dict)]) for state in written]
    assert counts[0] == 1 and counts[-1] == len(gpu_checks.CHECKS)
    assert written[0]["checks"]["ended"] == "it was cut", "as it would be, were this the last word"
    assert written[-1] == json.loads(json.dumps(figures))


def test_a_check_that_does_not_hold_is_an_error_after_all_is_written() -> None:
    held: dict[str, Any] = {check.__name__: {"holds": True} for check in gpu_checks.CHECKS}
    gpu._require_held({"checks": {"ended": "", **held}})
    with pytest.raises(LilmError, match=r"it_learns —"):
        gpu._require_held({"checks": {**held, "it_learns": {"holds": False}}})
    with pytest.raises(LilmError, match="8 were not made"):
        gpu._require_held({"checks": {"ended": "its time was up"}})


def test_documents_of_a_batch_lose_nothing() -> None:
    positions = torch.tensor([[0, 1, 2, 0, 1], [0, 1, 2, 3, 0]])
    labels = torch.tensor([[1, 2, IGNORE, 4, IGNORE], [5, 6, 7, IGNORE, IGNORE]])
    found = gpu_checks.documents(Batch(torch.arange(10).view(2, 5), positions, labels))
    assert [one.input_ids.tolist() for one in found] == [[[0, 1, 2]], [[3, 4]], [[5, 6, 7, 8]]]


PARTS = """
import os, time
from lilm.errors import LilmError

def speaks_and_hangs(settings, teller):
    teller.tell(first=settings)
    time.sleep(600)

def dies(settings, teller):
    teller.tell(first=settings)
    os._exit(7)

def fails(settings, teller):
    raise ValueError("a kernel\\nbroke")

def refuses(settings, teller):
    raise LilmError("no such thing", where="here", remedy="mend it")
"""


def test_a_part_is_cut_when_its_time_is_up_and_what_it_said_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parts_of_a_test.py").write_text(PARTS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    import parts_of_a_test as parts

    told: list[dict[str, Any]] = []
    started = time.time()

    def until_it_spoke(new: dict[str, Any]) -> None:
        told.append(new)

    assert run_part(parts.dies, 1, started + BUDGET, until_it_spoke) == "its process ended with status 7"
    assert run_part(parts.fails, 1, started + BUDGET, until_it_spoke) == "ValueError: a kernel broke"
    with pytest.raises(LilmError, match="here: no such thing — mend it"):
        run_part(parts.refuses, 1, started + BUDGET, until_it_spoke)
    spent = 2 * (time.time() - started)
    # twice as long as all three took: enough for one to speak, and far less than it would sleep
    assert run_part(parts.speaks_and_hangs, 2, time.time() + spent, until_it_spoke) == "its time was up"
    assert told == [{"first": 1}, {"first": 2}]
    assert time.time() - started < BUDGET


def test_what_cannot_work_is_refused_before_anything_runs(reporter: Reporter, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        with pytest.raises(LilmError, match="no GPU that torch can use — run it where there is one"):
            gpu.measure(reporter)
    with pytest.raises(LilmError, match="no shape 'huge'"):
        gpu.measure(reporter, shape="huge", device="cpu")
    with pytest.raises(LilmError, match=r"no config\.json"):
        gpu.measure(reporter, shape="tiny", device="cpu", base=tmp_path)
    with pytest.raises(LilmError, match="give the folder of a pack stage"):
        gpu.measure(reporter, shape="tiny", device="cpu", tokens=tmp_path)
