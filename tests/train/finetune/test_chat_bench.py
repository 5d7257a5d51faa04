"""`lilm bench chat --data`: every way of tuning a tiny model, its figures, and that what was measured is kept."""

import json
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lilm.chat import CHAT_TEMPLATE
from lilm.errors import LilmError
from lilm.export.talk.bed import Bed, open_bed
from lilm.export.talk.page import tuning_table, write_page
from lilm.export.talk.preferred import KINDS, make_pairs
from lilm.export.talk.tuning import NAMES, measure_tuning
from lilm.export.talk.ways import SEED, TRL, VECTOR, available
from lilm.export.talk.worth import answer_bits
from lilm.progress import Reporter
from lilm.recipe import Recipe
from lilm.train.finetune.heldout import beginning
from lilm.train.stories import chats

ANSWERS = 12


@pytest.fixture(scope="module")
def bed(
    tune_inputs: dict[str, Path],
    pretrain_inputs: dict[str, Path],
    tiny_recipe: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Bed:
    root = tmp_path_factory.mktemp("chat-bench")
    short = [one[:2] for one in chats("ja", 900, 0) if sum(len(message["content"]) for message in one[:2]) < 60]
    rows = [{"messages": one} for one in short]
    (root / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tuned = {
        **{"sources": [], "sequence_length": 256, "dtype": "float32", "heldout": 0.1, "replay": 0.0},
        "optim": {"steps": 120, "lr": 1e-2, "batch_size": 4},
        "preference": {"optim": {"steps": 30, "lr": 1e-3, "batch_size": 4, "weight_decay": 0.0}, "most_rise": 0.2},
    }
    recipe = Recipe.model_validate({**tiny_recipe, "finetune": tuned})
    folders = {**tune_inputs, "corpus": pretrain_inputs["corpus"]}
    return open_bed(folders, recipe, root / "chats.jsonl", root / "out", Reporter(quiet=True))


@pytest.fixture(scope="module")
def figures(bed: Bed) -> dict[str, Any]:
    return measure_tuning(bed, ANSWERS)


def test_no_conversation_is_in_two_parts(bed: Bed) -> None:
    parts = [{beginning(chat.messages) for chat in part} for part in (bed.learnt, bed.paired, bed.tested)]
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    assert len(parts[0]) > len(parts[1]) > 10 and len(parts[2]) > 10


def test_each_way_has_its_figures(figures: dict[str, Any], bed: Bed) -> None:
    has_trl = find_spec("trl") is not None
    assert set(figures["ways"]) == {*NAMES} - {VECTOR} - (set() if has_trl else {TRL})
    assert (figures["answer_bpb_trl"] is not None) == has_trl
    assert figures["answer_bpb_after"] < figures["answer_bpb_before"] - 0.2
    assert figures["answer_bpb_after"] < figures["answer_bpb_seed2023"]
    assert figures["answer_bpb_seed2023_own"] != figures["answer_bpb_seed2023"]
    for row in figures["ways"].values():
        assert row["seconds"] > 0 and row["ends_by_eos"]["of"] == row["loops"]["of"] == row["empty"]["of"] == ANSWERS
        assert row["in_language"] is None or 0 < row["in_language"]["of"] <= ANSWERS, "of those whose script tells"
    assert figures["chats"]["tested_bytes"] == sum(chat.answer_bytes for chat in bed.tested)


def test_a_model_that_was_taught_to_end_ends(figures: dict[str, Any]) -> None:
    assert figures["ends_by_eos"] >= 0.9
    assert figures["ends_by_eos"] > figures["ways"]["before"]["ends_by_eos"]["value"]
    assert figures["ways"][SEED]["ends_by_eos"]["value"] < 1, "a rate of 2e-5 teaches so small a model nothing"


def test_pairs_to_measure_with_are_nobody_s_and_what_is_chosen_is_preferred(figures: dict[str, Any], bed: Bed) -> None:
    learnt, measured = make_pairs(bed)
    tuned, tested = ({beginning(chat.messages) for chat in part} for part in (bed.learnt, bed.tested))
    asked = [{beginning(pair.chosen) for _, pair in part} for part in (learnt, measured)]
    assert not asked[1] & (asked[0] | tuned | tested), "nobody learns them"
    assert not asked[0] & tested
    assert {kind for kind, _ in learnt} == {kind for kind, _ in measured} == set(KINDS)
    assert all(pair.chosen[-1] != pair.rejected[-1] for _, pair in (*learnt, *measured))
    assert figures["dpo_preferred_after"] > figures["dpo_preferred_before"]
    assert figures["dpo"]["measured"] == len(measured) and -0.5 < figures["dpo_bpb_rise"] < 0.5


def test_what_was_measured_is_kept_and_told(
    figures: dict[str, Any], bed: Bed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("it was measured before")

    for name in ("load_llama", "Engine"):
        monkeypatch.setattr(f"lilm.export.talk.worth.{name}", never)
    again = measure_tuning(bed, ANSWERS)
    assert {**again, "tuning_s": 0} == {**figures, "tuning_s": 0}
    with pytest.raises(AssertionError, match="measured before"):
        measure_tuning(bed, ANSWERS + 1)
    assert tuning_table(figures).row_count == len(figures["ways"])
    write_page(tmp_path / "page.md", {**figures, "run": "a|b", "cpu": "x", "threads": 1})
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "a\\|b" in page and f"{figures['answer_bpb_after']:.3f}" in page


def test_the_chat_vector_of_an_instruct_base_is_one_way_more(bed: Bed, tmp_path: Path) -> None:
    plain = bed.folders["base"]
    with pytest.raises(LilmError, match="no chat template"):
        available(bed, plain)
    instruct = shutil.copytree(plain, tmp_path / "instruct")
    (instruct / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    other = replace(bed, folders={**bed.folders, "base": instruct})
    way = available(other, plain)[VECTOR]
    assert way.format is None, "its template is the run's"
    (tmp_path / "model").mkdir()
    assert way.teach(other, tmp_path / "model")["pieces"] == 400
    assert answer_bits(other, tmp_path / "model")["answer_bpb"] > 0


def test_chats_that_are_missing_or_too_few_are_one_line(bed: Bed, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text('{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n')
    for path, what in ((tmp_path / "none", "no such file of chats"), (few, "are needed")):
        with pytest.raises(LilmError, match=what):
            open_bed(bed.folders, bed.recipe, path, tmp_path, Reporter(quiet=True))
