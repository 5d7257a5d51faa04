"""How long a run still takes, said before and while it works; and the log that is kept of it."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

import lilm.progress as progress
from lilm.pipeline.forecast import Forecast, Times
from lilm.pipeline.stage import STAGES, stage_named
from lilm.progress import Reporter
from lilm.recipe import Recipe, load_recipe


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("quickstart")


@pytest.fixture
def times(tmp_path: Path) -> Times:
    return Times(tmp_path / "cache" / "times.json")


def longer(recipe: Recipe, factor: int) -> Recipe:
    pretrain = recipe.pretrain
    stages = {name: getattr(pretrain, name) for name in ("stage1", "stage2")}
    more = {name: one.model_copy(update={"steps": one.steps * factor}) for name, one in stages.items()}
    return recipe.model_copy(update={"pretrain": pretrain.model_copy(update=more)})


def test_what_training_took_is_reckoned_for_more_steps_and_not_for_another_base(recipe: Recipe, times: Times) -> None:
    assert times.seconds("pretrain", recipe) is None
    times.note("pretrain", recipe, 100.0)
    assert times.seconds("pretrain", longer(recipe, 3)) == pytest.approx(300.0)
    other = recipe.model_copy(update={"base": recipe.base.model_copy(update={"kind": "hub", "repo": "a/b"})})
    assert times.seconds("pretrain", other) is None
    assert times.seconds("finetune", recipe) is not None, "chats are learnt about as fast"


def test_a_stage_without_work_tells_nothing_of_one_with_it(recipe: Recipe, times: Times) -> None:
    no_chats = recipe.model_copy(update={"finetune": recipe.finetune.model_copy(update={"sources": ()})})
    times.note("finetune", no_chats, 0.3)
    assert (times.seconds("finetune", no_chats), times.seconds("finetune", recipe)) == (0.0, None)


@pytest.mark.parametrize("text", ["", "[1]", '{"x": 1}', "{", '{"corpus": [0, "a"]}'])
def test_a_spoilt_cache_is_no_error(recipe: Recipe, times: Times, text: str) -> None:
    times.path.parent.mkdir()
    times.path.write_text(text)
    assert times.seconds("corpus", recipe) is None
    times.note("corpus", recipe, 5.0)
    assert times.seconds("corpus", recipe) == 5.0


def test_left_in_all(recipe: Recipe, times: Times, tmp_path: Path) -> None:
    stages = [stage_named(name) for name in ("corpus", "pretrain", "export")]
    for name, seconds in (("corpus", 60), ("pretrain", 4000), ("export", 30)):
        times.note(name, recipe, seconds)
    forecast = Forecast(times, recipe, tmp_path, stages, stages)
    assert forecast.begin("corpus") == " (stage 1 of 3, about 1:10:00 left in all)"
    forecast.end("corpus")
    assert forecast.begin("pretrain") == " (stage 2 of 3, about 1:05:00 left in all)"
    assert forecast.left(of_bar=8000) == "about 2:15:00 left in all", "the bar knows it better than the last run"
    forecast.end("pretrain")
    assert forecast.begin("export") == " (stage 3 of 3, about 0:30 left in all)"


def test_what_is_not_known_is_said(recipe: Recipe, times: Times, tmp_path: Path) -> None:
    times.note("export", recipe, 30.0)
    forecast = Forecast(times, recipe, tmp_path, STAGES, STAGES)
    assert not forecast.knows_training
    assert forecast.begin("corpus") == " (stage 1 of 10, at least about 0:30 left in all)"
    alone = Forecast(times, recipe, tmp_path, STAGES[:1], STAGES[:1])
    assert alone.begin("corpus") == ""


def test_this_runs_own_earlier_time_comes_first(recipe: Recipe, times: Times, tmp_path: Path) -> None:
    times.note("corpus", recipe, 9000.0)
    (tmp_path / "corpus").mkdir()
    manifest = {"stage": "corpus", "key": "k", "config": {}, "inputs": {}, "outputs": {}, "volatile": []}
    made = {**manifest, "measurements": {"seconds": 120.0}}
    (tmp_path / "corpus" / "manifest.json").write_text(json.dumps(made))
    forecast = Forecast(times, recipe, tmp_path, STAGES[:1], STAGES[:1])
    forecast.begin("corpus")
    assert forecast.left() == "about 2:00 left in all"


@pytest.mark.parametrize(
    ("factor", "more", "left"),
    [(1, {}, "about 10:00"), (3, {}, "about 30:00"), (1, {"resumed": True}, ""), (1, {"seconds": None}, "")],
)
def test_what_training_took_in_this_run_is_reckoned_for_more_steps(
    recipe: Recipe, times: Times, tmp_path: Path, factor: int, more: dict[str, object], left: str
) -> None:
    (tmp_path / "pretrain").mkdir()
    config = {"language": "ja", "pretrain": recipe.pretrain.model_dump(mode="json")}
    manifest = {"stage": "pretrain", "key": "k", "config": config, "inputs": {}, "outputs": {}, "volatile": []}
    made = {**manifest, "measurements": {"seconds": 600.0, **more}}
    (tmp_path / "pretrain" / "manifest.json").write_text(json.dumps(made))
    stages = [stage_named("pretrain")]
    forecast = Forecast(times, longer(recipe, factor), tmp_path, stages, stages)
    forecast.begin("pretrain")
    assert forecast.left() == (f"{left} left in all" if left else "")


def test_the_log_has_what_the_screen_has_with_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    monkeypatch.setattr(progress, "FILE_SECONDS", 0.0)
    screen = io.StringIO()
    reporter = Reporter(Console(file=screen, width=40))
    reporter.log, reporter.in_all = tmp_path / "lilm.log", lambda left: "about 1:00 left in all"
    reporter.say("corpus: [bold] 日本語, a line that is longer than the screen is wide")
    with reporter.bar("read", 4) as bar:
        bar.advance(2, "mine")
    lines = reporter.log.read_text().splitlines()
    stamp = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d ")
    assert all(stamp.match(line) for line in lines)
    assert [stamp.sub("", line) for line in lines] == screen.getvalue().splitlines()
    assert "read 2/4" in lines[1] and "about 1:00 left in all · mine" in lines[1]
