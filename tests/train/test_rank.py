"""The rank report finds the rank that was planted, starts every trial alike, and says which rank in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers import LlamaConfig, LlamaForCausalLM

from lilm.errors import LilmError
from lilm.pipeline.runner import chosen_stages, run_stages
from lilm.progress import Reporter
from lilm.recipe import Recipe, load_recipe
from lilm.train.pretrain import rank
from lilm.train.pretrain.inputs import open_sequences
from lilm.train.pretrain.rank import NEEDS, Trial, _lora_trials, rank_report
from lilm.train.pretrain.rank_answer import answer
from lilm.train.pretrain.spectrum import changes, ranks_holding
from lilm.train.trainer.loop import Job

STEPS = 3


@pytest.fixture(scope="module")
def recipe(small_recipe: Path) -> Recipe:
    loaded = load_recipe(str(small_recipe))
    corpus = loaded.corpus.model_copy(
        update={"sources": tuple(s.model_copy(update={"limit": s.limit // 2}) for s in loaded.corpus.sources)}
    )
    return loaded.model_copy(update={"corpus": corpus})


@pytest.fixture(scope="module")
def packed(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is done up to `pack`."""
    folder = tmp_path_factory.mktemp("rank") / "run"
    run_stages(recipe, folder, chosen_stages(None, "pack"), Reporter(Console(quiet=True)))
    return folder


@pytest.fixture(scope="module")
def report(recipe: Recipe, packed: Path) -> dict[str, Any]:
    return rank_report(packed, recipe, Reporter(Console(quiet=True)), STEPS, ranks=(4, 32, 100_000))


def test_the_report_holds_every_trial_and_every_matrix(report: dict[str, Any], packed: Path) -> None:
    assert json.loads((packed / "rank" / "rank.json").read_text(encoding="utf-8")) == report
    assert [trial["rank"] for trial in report["lora"]] == [4, 32], "wider than the model: left out"
    assert len(report["changes"]) == 2 * 7, "layers × projections"
    for change in report["changes"]:
        assert 1 <= change["rank90"] <= change["rank95"] <= change["rank99"] <= change["full"]
        assert change["relative"] > 0
        assert change["energy"][str(change["full"])] == pytest.approx(1)
    trained = [trial["trained"] for trial in [*report["lora"], report["full"]]]
    assert trained == sorted(trained)
    for trial in [*report["lora"], report["full"]]:
        assert trial["bits"]["bits_per_byte_ja"] < report["begun"]["bits_per_byte_ja"], "it learnt"
    assert list((packed / "rank").glob("work-*")) == []


def test_the_page_shows_the_answer_and_the_charts(report: dict[str, Any], packed: Path) -> None:
    page = (packed / "rank" / "rank.html").read_text(encoding="utf-8")
    assert report["answer"] in page
    assert page.count("<svg") == 3
    assert "LoRA, rank 32" in page
    for change in report["changes"]:
        assert change["module"] in page


def test_every_trial_begins_at_the_same_point(report: dict[str, Any], recipe: Recipe, packed: Path) -> None:
    again = rank_report(packed, recipe, Reporter(Console(quiet=True)), STEPS, ranks=(4,))
    assert again["full"] == report["full"]
    assert again["lora"] == report["lora"][:1]
    assert again["changes"] == report["changes"]


def test_trials_learn_as_the_stage_would(
    recipe: Recipe, packed: Path, reporter: Reporter, jobs_of: Callable[[ModuleType], list[Job]]
) -> None:
    """The start that they share is stage 1's: no replay, level steps, and what follows the new pieces."""
    jobs = jobs_of(rank)
    pretrain = recipe.pretrain.model_copy(update={"bigrams": 0.5, "replay": 0.5})
    rank_report(packed, recipe.model_copy(update={"pretrain": pretrain}), reporter, 1, ranks=(4,))
    first, *others = jobs
    batch = first.batch_at(0)
    main = open_sequences(packed / "pack", recipe.language, None, batch.input_ids.shape[1], recipe.seed)
    assert batch.input_ids.tolist() == [main.sequence(at).input_ids.tolist() for at in range(len(batch.input_ids))]
    assert first.level is not None and batch.soft is not None and first.kept_rows
    assert all(job.level is None and job.batch_at(0).soft is not None for job in others)


def test_a_rate_that_is_too_high_for_more_rank_ends_nothing() -> None:
    """Hours of trials are not lost: the next lower rate is tried."""

    class Pilot:
        measured = "bits"

        def say(self, text: str) -> None:
            assert "lost" in text

        def lora(self, rank: int, lr: float, matrix_lr: float) -> Trial:
            if lr * rank > 0.1 or rank > 1000:
                raise LilmError("lost", where="LoRA")
            return Trial(rank, lr, {"bits": 1 - lr}, 1, 1.0)

    found = _lora_trials(Pilot(), [4, 64], 0.01)  # type: ignore[arg-type]
    assert [(trial.rank, trial.lr) for trial in found] == [(4, 0.01), (64, pytest.approx(0.01 / 9))]
    with pytest.raises(LilmError, match="lost"):
        _lora_trials(Pilot(), [4, 2000], 0.01)  # type: ignore[arg-type]


def test_without_new_pieces_there_are_no_rows_to_begin_with(
    recipe: Recipe, packed: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank, "new_pieces", lambda base, merged: [])
    assert rank_report(packed, recipe, reporter, 1, ranks=(4,))["settings"]["stage1_steps"] == 0


def test_a_run_that_is_not_packed_is_refused(recipe: Recipe, packed: Path, reporter: Reporter, tmp_path: Path) -> None:
    for name in NEEDS[:-1]:
        shutil.copytree(packed / name, tmp_path / name)
    with pytest.raises(LilmError, match="stage pack is not done"):
        rank_report(tmp_path, recipe, reporter)
    with pytest.raises(LilmError, match="0 steps"):
        rank_report(packed, recipe, reporter, steps=0)


def test_a_planted_rank_is_found() -> None:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=64, num_key_value_heads=2, **shape))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        weight = model.get_parameter("model.layers.1.mlp.up_proj.weight")
        vectors = [torch.linalg.qr(torch.randn(size, 5))[0] for size in weight.shape]
        weight += vectors[0] @ vectors[1].T  # five equal singular values
    found = {(change.layer, change.module): change for change in changes(model, before)}
    planted = found[1, "up_proj"]
    assert (planted.rank90, planted.rank95, planted.rank99) == (5, 5, 5)
    assert planted.energy["4"] == pytest.approx(0.8, abs=1e-4)
    assert found[0, "up_proj"].rank99 == 0, "nothing changed there"
    assert ranks_holding(torch.tensor([10.0, 3.0, 1.0])) == [1, 2, 2]


def spoken(bits: dict[int, float]) -> str:
    """The answer for a full-parameter run at 1.000 and LoRA at these bits per byte by rank."""

    def trial(rank: int, value: float) -> dict[str, Any]:
        return {
            "rank": rank,
            "bits": {"bits_per_byte_ja": value, "bits_per_byte_en": 2.0},
            "trained": rank + 1,
            "memory": 1e9 * (rank + 1),
        }

    full = {**trial(0, 1.0), "trained": 1000, "memory": 2e10}
    lora = [trial(rank, value) for rank, value in bits.items()]
    return answer({"full": full, "lora": lora, "language": "ja", "base_language": "en", "steps": 9})


def test_the_answer_is_the_smallest_rank_that_is_near_enough() -> None:
    assert spoken({8: 1.05, 16: 1.009, 32: 1.0}).startswith("Take rank 16: in 9 steps it reaches 1.009 bits")
    none = spoken({8: 1.05, 16: 1.02})
    assert none.startswith("Train all parameters if they fit (20.00 GB)")
    assert "rank 16 is nearest, 2.0% worse" in none
    assert spoken({}).endswith("train all parameters.")
