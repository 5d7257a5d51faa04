"""`lilm tokenizer compare-init`: every start on the same tokens, nothing of the run changed, a page to read."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.runner import chosen_stages, run_stages
from lilm.progress import Reporter
from lilm.recipe import Recipe
from lilm.train.base.model_folder import load_llama
from lilm.train.pretrain import compare
from lilm.train.pretrain.compare import compare_init
from lilm.train.pretrain.init_distillation import Distillation
from lilm.train.trainer.loop import Job


@pytest.fixture(scope="module")
def recipe(tiny_recipe: dict[str, Any]) -> Recipe:
    """So little of everything that it is over in seconds."""
    data = copy.deepcopy(tiny_recipe)
    data["tokenizer"] |= {"pieces": 200, "verify_lines": 100}
    data["pretrain"] |= {"eval_bytes": 2000, "sequence_length": 64}
    return Recipe.model_validate(data)


@pytest.fixture(scope="module")
def run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from rich.console import Console

    folder = tmp_path_factory.mktemp("compare") / "run"
    run_stages(recipe, folder, chosen_stages(None, "pack"), Reporter(Console(quiet=True)))
    return folder


def test_each_start_is_trained_on_the_same_and_the_run_stays_as_it_was(
    run: Path, recipe: Recipe, reporter: Reporter, tmp_path: Path
) -> None:
    before = {path: sha256_file(path) for path in sorted(run.rglob("*")) if path.is_file()}
    found = compare_init(run, recipe, 6, reporter, tmp_path, distillation=Distillation(steps=4, batch_size=4))
    assert {path: sha256_file(path) for path in sorted(run.rglob("*")) if path.is_file()} == before
    assert json.loads((tmp_path / "compare-init.json").read_text(encoding="utf-8")) == found
    names = [(trial["trained"], trial["init"]) for trial in found["trials"]]
    starts = ("mean", "covariance", "random", "distillation", "frequency")
    assert names == [(trained, init) for init in starts for trained in ("new_rows", "all")]
    by_name = dict(zip(names, found["trials"], strict=True))
    for init in starts:
        one, other = by_name["new_rows", init], by_name["all", init]
        assert one["curve"][0] == other["curve"][0], "the same beginning"
        assert [entry["step"] for entry in one["curve"]] == list(range(7))
        assert len(one["loss"]) == 6
        if init not in ("frequency", "distillation"):  # which let a base this small expect Japanese everywhere
            assert one["curve"][0]["bits_per_byte_en"] == pytest.approx(
                by_name["new_rows", "mean"]["curve"][0]["bits_per_byte_en"], abs=0.3
            )
    beginnings = {trial["curve"][0]["bits_per_byte_ja"] for trial in found["trials"]}
    assert len(beginnings) == len(starts), "each start is another one"
    page = (tmp_path / "compare-init.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert f"{by_name['all', 'mean']['curve'][-1]['bits_per_byte_ja']:.4f}" in page


def test_new_rows_alone_leave_the_base_as_it_was(
    run: Path, recipe: Recipe, reporter: Reporter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []
    train = compare.train

    def kept(model: torch.nn.Module, *arguments: object) -> object:
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        answer = train(model, *arguments)  # type: ignore[arg-type]
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        return answer

    monkeypatch.setattr(compare, "train", kept)
    compare_init(run, recipe, 3, reporter, tmp_path, ["random"])
    start, rows_only, again, whole = states
    base = load_llama(run / "base", torch.device("cpu")).state_dict()
    for name, value in base.items():
        assert torch.equal(rows_only[name][: len(value)], value), name
        assert torch.equal(again[name], start[name]), "both begin alike"
    assert any(not torch.equal(whole[name][: len(value)], value) for name, value in base.items())


def test_trials_learn_as_the_stage_would(
    run: Path, recipe: Recipe, reporter: Reporter, tmp_path: Path, jobs_of: Callable[[ModuleType], list[Job]]
) -> None:
    """A rate that the recipe has found with level steps would spoil the rows without them."""
    jobs = jobs_of(compare)
    changed = {"keep_base_rows": True, "embedding_lr_scale": 4.0, "bigrams": 0.5}
    recipe = recipe.model_copy(update={"pretrain": recipe.pretrain.model_copy(update=changed)})
    compare_init(run, recipe, 1, reporter, tmp_path, ["mean"])
    rows_only, whole = jobs
    n_old = recipe.base.scratch.vocab_size
    assert rows_only.level is not None and whole.level is None
    assert (rows_only.kept_rows, whole.kept_rows) == (n_old, n_old)
    assert (rows_only.embedding_lr_scale, whole.embedding_lr_scale) == (1.0, 4.0)
    assert all(job.batch_at(0).soft is not None for job in jobs)


def test_a_run_that_is_not_far_enough_is_refused(recipe: Recipe, reporter: Reporter, tmp_path: Path) -> None:
    with pytest.raises(LilmError, match="stage corpus is not done"):
        compare_init(tmp_path, recipe, 3, reporter)


def test_no_steps_are_refused(run: Path, recipe: Recipe, reporter: Reporter) -> None:
    with pytest.raises(LilmError, match="give 1 or more"):
        compare_init(run, recipe, 0, reporter)
    assert not (run / "reports").exists()
