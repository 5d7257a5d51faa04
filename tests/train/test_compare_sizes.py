"""`lilm tokenizer compare-sizes`: pilots of equal seconds, the run unchanged, kept when done, said where it matters."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.runner import chosen_stages, run_stages
from lilm.progress import Reporter
from lilm.recipe import Recipe
from lilm.train.plan.calibrate import Clock
from lilm.train.pretrain import compare_sizes as command
from lilm.train.pretrain import pilot
from lilm.train.pretrain.compare_sizes import compare_sizes
from lilm.train.pretrain.crossing import crossing
from lilm.train.pretrain.passages import bits, differences, passages
from lilm.train.tokenizer.report.choice import choice_line, run_choice
from lilm.train.tokenizer.report.command import report_run
from lilm.train.trainer.batches import BatchAt
from lilm.train.trainer.measure import bits_per_byte

SIZES = (0, 150)


@pytest.fixture(scope="module")
def recipe(tiny_recipe: dict[str, Any]) -> Recipe:
    """So little of everything that it is over in seconds; 150 pieces are chosen."""
    data = copy.deepcopy(tiny_recipe)
    data["tokenizer"] |= {"pieces": 150, "verify_lines": 100}
    data["pretrain"] |= {"eval_bytes": 20_000, "sequence_length": 64}
    data["pretrain"]["stage1"] |= {"steps": 10, "batch_size": 4}
    data["pretrain"]["stage2"] |= {"steps": 30, "batch_size": 4}
    return Recipe.model_validate(data)


@pytest.fixture(scope="module")
def run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sizes") / "run"
    run_stages(recipe, folder, chosen_stages(None, "tokenizer"), Reporter(quiet=True))
    return folder


@pytest.fixture(scope="module")
def found(run: Path, recipe: Recipe) -> dict[str, Any]:
    before = {path: sha256_file(path) for path in sorted(run.rglob("*")) if path.is_file()}
    answer = compare_sizes(run, recipe, Reporter(quiet=True), SIZES, steps=16)
    assert {path: sha256_file(path) for path in before} == before, "the run stays as it was"
    assert not list((run / ".work").iterdir())
    return answer


def test_pilots_are_trained_as_the_recipe_says_for_as_long_as_the_first(found: dict[str, Any], run: Path) -> None:
    assert json.loads((run / "reports" / "compare-sizes.json").read_text(encoding="utf-8")) == found
    none, some = found["pilots"]
    assert (none["pieces"], none["pieces_added"]) == (0, 0)
    assert none["steps"] == [0, 16], "without new rows there is no stage 1"
    assert some["pieces_added"] > 100 and some["steps"][0] > 0 and some["steps"][1] > 0
    assert none["seconds_wanted"] == some["seconds_wanted"] == found["seconds"]
    assert some["chars_per_token"]["ja"] > 2 * none["chars_per_token"]["ja"]
    assert none["chars_per_token"]["en"] == some["chars_per_token"]["en"]
    for one in (none, some):
        curve = one["curve"]
        assert [entry["seconds"] for entry in curve] == sorted(entry["seconds"] for entry in curve)
        assert curve[-1]["bits_per_byte_ja"] < curve[0]["bits_per_byte_ja"]
        assert curve[-1]["step"] == one["steps"][1]
    assert some["mb"]["Q4_0"] > none["mb"]["Q4_0"], "rows weigh"


def test_the_speed_is_measured_of_the_steps_that_are_made(
    run: Path, recipe: Recipe, reporter: Reporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows the new pieces is taught in stage 2 too, and takes its time."""
    measured: list[bool] = []
    steady_clock = pilot.steady_clock

    def kept(model: torch.nn.Module, batch_at: BatchAt, *arguments: Any, **options: Any) -> Clock:
        measured.append(batch_at(0).soft is not None)
        return steady_clock(model, batch_at, *arguments, **options)

    monkeypatch.setattr(pilot, "steady_clock", kept)
    pretrain = recipe.pretrain.model_copy(update={"bigrams": 0.5})
    changed = recipe.model_copy(update={"pretrain": pretrain})
    compare_sizes(run, changed, reporter, [0, 150], steps=1, out_dir=tmp_path)
    assert measured == [False, True, True], "without new pieces; stages 1 and 2"


def test_the_best_is_the_lowest_and_the_page_says_so(found: dict[str, Any], run: Path) -> None:
    lowest = min(found["pilots"], key=lambda pilot: pilot["bits_per_byte_ja"])
    assert found["best"] == lowest["pieces"] and found["best"] in found["winners"]
    page = (run / "reports" / "compare-sizes.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert all(f"{pilot['bits_per_byte_ja']:.4f}" in page for pilot in found["pilots"])
    assert [one["pieces"] for one in found["crossings"]] == [size for size in SIZES if size != found["best"]]


def test_finished_pilots_are_not_run_again(
    found: dict[str, Any], run: Path, recipe: Recipe, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def killed(trial: Any, size: int, work: Path) -> dict[str, Any]:
        ran.append(size)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "run_pilot", killed)
    assert compare_sizes(run, recipe, reporter, SIZES, steps=16) == found
    with pytest.raises(KeyboardInterrupt):
        compare_sizes(run, recipe, reporter, (*SIZES, 100), steps=16)
    other = recipe.model_copy(update={"seed": 1})
    with pytest.raises(KeyboardInterrupt):
        compare_sizes(run, other, reporter, SIZES, steps=16)
    assert ran == [100, 0], "what is missing, and everything for another recipe"


def test_the_runs_own_report_says_whether_its_choice_won(
    found: dict[str, Any], run: Path, recipe: Recipe, reporter: Reporter, tmp_path: Path
) -> None:
    line = choice_line(found, 150)
    assert ("within" in line) == (150 in found["winners"])
    assert "outside" in choice_line({**found, "winners": [0], "best": 0}, 150)
    assert run_choice(run) == line
    report_run(run, recipe, [], reporter, tmp_path)
    assert line in (tmp_path / "tokenizer.html").read_text(encoding="utf-8")


def test_a_result_of_another_corpus_says_nothing(found: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "compare-sizes.json").write_text(json.dumps(found), encoding="utf-8")
    assert run_choice(tmp_path) == ""
    (tmp_path / "reports" / "compare-sizes.json").write_text("{", encoding="utf-8")
    with pytest.raises(LilmError, match="unreadable"):
        run_choice(tmp_path)


def test_what_cannot_be_compared_is_refused(run: Path, recipe: Recipe, reporter: Reporter, tmp_path: Path) -> None:
    with pytest.raises(LilmError, match="stage corpus is not done"):
        compare_sizes(tmp_path, recipe, reporter)
    for sizes, minutes in (((), 1.0), ((-1,), 1.0), ((0,), 0.0)):
        with pytest.raises(LilmError, match="give"):
            compare_sizes(run, recipe, reporter, sizes, minutes)


def curve(floor: float, scale: float, rate: float, noise: float = 0.0) -> list[tuple[float, float]]:
    generator = np.random.default_rng(1)
    times = np.linspace(100, 800, 8)
    return [(float(t), float(floor + scale * t**-rate + noise * generator.normal())) for t in times]


def test_a_crossing_is_found_where_the_curves_have_it() -> None:
    fast, slow = curve(2.0, 3.0, 0.5), curve(1.8, 12.0, 0.5)  # equal where 0.2 = 9 / sqrt(t): t = 2025
    answer = crossing(fast, slow, 10_000, 0)
    assert answer.verdict == "crosses" and answer.between is not None
    assert answer.between[0] <= 2025 * 1.1 and answer.between[1] >= 2025 * 0.9
    assert crossing(fast, slow, 1500, 0).verdict == "stays above"
    assert crossing(fast, curve(2.1, 5.0, 0.5), 10_000, 0).verdict == "stays above"
    assert answer == crossing(fast, slow, 10_000, 0), "the same again"


def test_little_is_not_called_enough() -> None:
    fast, slow = curve(2.0, 3.0, 0.5, 0.05), curve(1.95, 9.0, 0.5, 0.05)
    assert crossing(fast, slow, 10_000, 0).verdict == "too little to tell"
    assert crossing(fast[:3], slow, 10_000, 0).verdict == "too little to tell"
    assert crossing(fast, slow, 1_000_000, 0).verdict == "too little to tell"


def test_passages_keep_every_line_and_chance_is_told_from_a_difference() -> None:
    texts = ["一行目\n\n二行目\n三行目", "last"]
    cut = passages(texts, 12)
    assert cut == ["一行目\n二行目", "三行目", "last"]
    generator = np.random.default_rng(0)
    many = ["x" * 100] * 60
    first = generator.normal(200, 20, 60)
    noisy, worse = first + generator.normal(0, 5, 60), first + 20 + generator.normal(0, 5, 60)
    found = differences({0: first.tolist(), 1: noisy.tolist(), 2: worse.tolist()}, many, 0, 0)
    assert found[1]["interval"][0] <= 0 <= found[1]["interval"][1]
    assert found[2]["interval"][0] > 0
    assert found[2]["bits"] == pytest.approx(bits(worse.tolist(), many) - bits(first.tolist(), many))


def test_bits_of_passages_are_those_that_training_measures(found: dict[str, Any], run: Path, recipe: Recipe) -> None:
    """The figure of an untrained pilot is that of the base, measured apart."""
    import torch

    from lilm.train.base.model_folder import load_llama
    from lilm.train.pretrain.inputs import heldout_texts, open_tokenizers
    from lilm.train.pretrain.pilot import EVERY

    model = load_llama(run / "base", torch.device("cpu"))
    tokenizers = open_tokenizers(run / "base", run / "tokenizer", model)
    texts = heldout_texts(run / "corpus", ("en",), recipe.pretrain.eval_bytes)["en"]
    expected = bits_per_byte(model, tokenizers.base.encode, tokenizers.base.bos_id, passages(texts)[::EVERY], 64)
    assert found["pilots"][0]["curve"][0]["bits_per_byte_en"] == pytest.approx(expected, abs=0.05)  # padding rows
