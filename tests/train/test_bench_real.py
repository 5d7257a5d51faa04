"""`lilm bench real`: the whole bench on a tiny base and made-up text, a second for each contender."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from lilm.chat import CHAT_TEMPLATE
from lilm.errors import LilmError
from lilm.export.gguf_writer import write_gguf
from lilm.pipeline.runner import locked
from lilm.progress import Reporter
from lilm.train.pretrain.bench import seed_loop
from lilm.train.real import by_seed_loop, runs, table
from lilm.train.real.bench import KEYS, Plan, compare, measure
from lilm.train.real.contender import Outcome, Point, Speed
from lilm.train.real.page import MARK, page
from lilm.train.real.prompts import CHATS, ENGLISH, JAPANESE
from lilm.train.stories import stories

SECONDS = 1.0
STAGE = {"batch_size": 4}
CHANGES: dict[str, Any] = {
    "corpus": {"heldout": 0.1, "workers": 1},
    "tokenizer": {"pieces": 100, "verify_lines": 20},
    "pretrain": {"sequence_length": 64, "eval_bytes": 1000, "stage1": STAGE, "stage2": STAGE},
    "finetune": {"sequence_length": 128, "optim": {"steps": 2, "lr": 1e-3, "batch_size": 4}},
    "export": {"quants": ["Q8_0"]},
    "site": {"quants": ["Q8_0"]},
    "bench": {"eval_tokens": 200, "n_ctx": 64, "n_predict": 4},
}


def write_data(folder: Path) -> Path:
    """Japanese as JaQuAD has it and English plays, all of them made-up stories."""
    wiki, plays = folder / "ja_text" / "jaquad_wiki", folder / "en_text" / "tinyshakespeare"
    wiki.mkdir(parents=True)
    plays.mkdir(parents=True)
    paragraphs = [{"context": text} for text in stories("ja", 200, 0)]
    (wiki / "train.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), encoding="utf-8")
    for number, text in enumerate(stories("en", 100, 0)):
        (plays / f"{number}.txt").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def plan(pretrain_inputs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A base of random weights as a GGUF file, with a chat template."""
    folder = tmp_path_factory.mktemp("bench-real")
    base = folder / "hf"
    shutil.copytree(pretrain_inputs["base"], base)
    (base / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    write_gguf(base, folder / "tiny.gguf", ("en",))
    return Plan(
        write_data(folder / "data"),
        folder / "run",
        folder / "tiny.gguf",
        minutes=SECONDS * len(table.MAIN) / 60,
        threads=1,
        speed_seconds=0.2,
        variants="lora,averaged",
        choose_rates="all",
        skip=frozenset({"tokenizer", "page"}),
        markdown=folder / "real.md",
        json_file=folder / "real.json",
        changes=CHANGES,
        lines=300,
        questions=("What is the capital of France?", "Hello!"),
        topics=("the sea",),
    )


@pytest.fixture(scope="module")
def patched() -> Any:
    """Fewer pieces, a smaller adapter, three rates that are one."""
    patch = pytest.MonkeyPatch()
    patch.setitem(table.VARIANTS, "lora", replace(table.VARIANTS["lora"], rate=1e-3, rates=(1e-3,) * 3))
    for name, one in list(table.MAIN.items()):
        changes = {**one.changes, "tokenizer": {"pieces": 120}} if name == "seed2023" else one.changes
        rate = 1e-3 if name == "trainer" else one.rate  # its default teaches a random base nothing in a second
        patch.setitem(table.MAIN, name, replace(one, rate=rate, rates=(rate,) * 3, changes=changes))
    patch.setattr(by_seed_loop, "RANK", 4)
    patch.setattr(runs, "ROUNDS", 1)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def figures(plan: Plan, patched: None) -> dict[str, Any]:
    return compare(plan, Reporter(Console(quiet=True)))


def test_every_figure_is_there(plan: Plan, figures: dict[str, Any]) -> None:
    missing = {key for key in KEYS if figures[key] is None}
    assert missing <= {"chars_per_token_default_install"}
    assert figures["template_equal"] is True
    assert json.loads(plan.json_file.read_text()) == json.loads(json.dumps(figures))  # type: ignore[union-attr]
    assert list(figures["contenders"]) == [*table.MAIN, "lora", "averaged"]
    assert figures["token_mismatches"] == 0
    assert figures["logits_max_diff_gguf"] < 1e-2
    assert figures["chars_per_token_after"] > figures["chars_per_token_before"]
    assert min(figures["lines_compared"].values()) > 100


def test_all_learn_for_about_as_long(figures: dict[str, Any]) -> None:
    for name, found in figures["contenders"].items():
        outcome = Outcome.of(found)
        assert outcome.curve[0].ja == pytest.approx(figures["ja_bpb_before"], abs=1e-3), name
        assert outcome.last.ja < outcome.curve[0].ja, f"{name} has learnt nothing"
        assert outcome.last.seconds == outcome.seconds > 0
        assert [point.tokens for point in outcome.curve] == sorted({point.tokens for point in outcome.curve})
    assert figures["ja_bpb_after"] == round(figures["contenders"]["ours"]["curve"][-1]["ja"], 4)
    stage1 = figures["contenders"]["ours"]["stage1"]
    assert 0 < stage1["tokens"] < figures["contenders"]["ours"]["tokens"]
    assert figures["contenders"]["no_new_pieces"]["stage1"] is None


def test_rates_are_chosen_on_other_text(figures: dict[str, Any]) -> None:
    for name, tried in figures["rates_tried"].items():
        assert figures["rates"][name] in [float(rate) for rate in tried]
        assert all(set(found) == {"ja", "en"} for found in tried.values())


def test_what_is_done_is_not_trained_again(
    plan: Plan, figures: dict[str, Any], patched: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("lilm.train.real.by_trainer.train_by_defaults", fail)
    monkeypatch.setattr("lilm.train.real.by_seed_loop.seed_steps", fail)
    monkeypatch.setattr("lilm.train.real.by_stages.steady_speed", fail)
    elsewhere = replace(plan, choose_rates="", skip=plan.skip | {"files"}, markdown=None, json_file=None)
    again = compare(elsewhere, Reporter(Console(quiet=True)))
    assert again["contenders"] == figures["contenders"]


def test_a_contender_of_other_code_is_another_one(plan: Plan, patched: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older LiLM's contender came to is none of this one's figures."""
    contenders, _ = table.chosen("")
    trial: Any = SimpleNamespace(label="ours")
    monkeypatch.setattr(runs, "_decides", lambda _: {"recipe": 1})
    found = []
    for code in ({"a": "1"}, {"a": "1"}, {"a": "2"}):
        monkeypatch.setattr(runs, "code_of", lambda module, code=code: {**code, "of": module})
        found.append(runs.Runs(None, contenders, 1.0, 1.0)._decides(trial))  # type: ignore[arg-type]
    assert found[0] == found[1] != found[2]
    with locked(plan.root), pytest.raises(LilmError, match="another lilm works in this run folder"):
        compare(plan, Reporter(Console(quiet=True)))


def test_the_page_holds_the_figures_and_keeps_what_was_written_by_hand(plan: Plan, figures: dict[str, Any]) -> None:
    text = plan.markdown.read_text()  # type: ignore[union-attr]
    ours = Outcome.of(figures["contenders"]["ours"])
    assert f"{ours.last.ja:.3f}" in text
    assert "--variants lora,averaged --choose-rates all --skip page,tokenizer --markdown FILE`" in text
    for prompt in (*JAPANESE, *ENGLISH, *CHATS):
        assert prompt in text
    before_chats = figures["steps"]["pretrain"]["ja"]["bits_per_byte"]
    assert f"| before the chats |  | {before_chats:.3f} |" in text
    assert plan.markdown.with_suffix(".svg").read_text().startswith("<svg")  # type: ignore[union-attr]
    assert page(figures, "real.svg", f"old\n{MARK}\nit still loops\n").endswith(f"\n{MARK}\nit still loops\n")
    nasty = {**figures, "samples": {**figures["samples"], JAPANESE[0]: "a|b\n<script>"}}
    assert "a\\|b &lt;script&gt;" in page(nasty, "real.svg")


def test_seconds_become_steps() -> None:
    assert Speed(step_seconds=2.0, tokens_per_s=1.0).steps_in(100) == (0, 50)
    with_rows = Speed(step_seconds=2.0, tokens_per_s=1.0, stage1_seconds=1.0, prepare_seconds=4.0)
    assert with_rows.steps_in(100) == (6, 45), "a tenth for new rows, with what is done before"


def test_seconds_are_those_of_the_measured_speed() -> None:
    speed = Speed(step_seconds=2.0, tokens_per_s=1.0, stage1_seconds=1.0, prepare_seconds=10.0)
    points = [
        Point(float(seconds), tokens, 2.0, 1.0) for seconds, tokens in ((0, 0), (700, 50), (900, 150), (999, 250))
    ]
    disturbed = Outcome(points, points[1], 999.0, 250, 0.3, 1.0, {})
    outcome = speed.timed(disturbed, (10, 40))
    assert [point.seconds for point in outcome.curve] == [0, 20, 60, 100]
    assert outcome.stage1 == outcome.curve[1]
    assert (outcome.seconds, outcome.tokens_per_s, outcome.clock_seconds) == (100, 2.5, 999)


def test_a_schedule_moves_the_2023_loops_rate() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(num_attention_heads=2, num_key_value_heads=2, **shape))
    before = [parameter.clone() for parameter in model.parameters()]
    batches = seed_loop.padded_batches([[1, 2, 3, 4]] * 4, window=4, batch_size=2)
    next(seed_loop.seed_steps(model, batches, False, "float32", lambda step: 0.0))
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))


def test_what_is_missing_or_unknown_is_refused_before_anything_is_fetched(tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(LilmError, match="give a folder with ja_text"):
        measure(reporter)
    with pytest.raises(LilmError, match="no variant 'best'"):
        measure(reporter, tmp_path, variants="best")
    with pytest.raises(LilmError, match="cannot skip 'ours'"):
        measure(reporter, tmp_path, skip="ours")
    with pytest.raises(LilmError, match="no contender 'lora'"):  # which was not asked for
        measure(reporter, tmp_path, choose_rates="ours,lora")
    with pytest.raises(LilmError, match="no text of language 'ja'"):
        measure(reporter, tmp_path, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()
