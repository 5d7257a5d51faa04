"""Commands as a user types them, on a finished run."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from lilm.pipeline.stage import STAGES
from lilm.train.faults.kills import leftovers


def run_lilm(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lilm", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def test_init_then_a_stage_alone(tmp_path: Path) -> None:
    run_lilm("init", tmp_path / "mine", "--recipe", "quickstart")
    recipe = tmp_path / "mine" / "lilm.toml"
    recipe.write_text(recipe.read_text().replace("limit = 12000", "limit = 120").replace("limit = 8000", "limit = 80"))
    run_lilm("corpus", cwd=recipe.parent)
    assert (recipe.parent / "run" / "corpus" / "manifest.json").is_file()
    assert "up to date" in run_lilm("corpus", cwd=recipe.parent).stderr


def test_inside_a_run_folder_it_is_that_run_that_goes_on(tmp_path: Path) -> None:
    run_lilm("init", tmp_path, "--recipe", "quickstart")
    recipe = tmp_path / "lilm.toml"
    recipe.write_text(recipe.read_text().replace("limit = 12000", "limit = 120").replace("limit = 8000", "limit = 80"))
    run_lilm("corpus", "--run", tmp_path / "runs" / "x", cwd=tmp_path)
    assert "corpus: up to date" in run_lilm("run", "--to", "corpus", cwd=tmp_path / "runs" / "x").stderr
    assert not (tmp_path / "runs" / "x" / "run").exists()


def test_the_end_of_a_run_shows_a_sample_the_table_and_how_to_go_on(small_recipe: Path, finished_run: Path) -> None:
    shown = run_lilm("run", "--recipe", small_recipe, "--run", finished_run).stdout
    for part in (
        "Q4_K_M says",
        "こんにちは。 →",
        "sizes and quality",
        "Q8_0",
        "lilm serve",
        "--lan --certificate   # on your phone",
        "lilm chat",
    ):
        assert part in shown


def test_each_stage_has_a_command_and_knows_that_it_is_done(finished_run: Path) -> None:
    for stage in STAGES:
        assert f"{stage.name}: up to date" in run_lilm(stage.name, "--run", finished_run).stderr


def test_chat_tuning_has_a_page_of_its_curves(finished_run: Path) -> None:
    metrics = (finished_run / "finetune" / "metrics.jsonl").read_text().splitlines()
    page = (finished_run / "finetune" / "report.html").read_text()
    assert f"{json.loads(metrics[-1])['loss']:.3f}" in page
    assert page.count("<svg") == 4, "loss, bits per byte of held-out answers, gradient norm, rate"


def test_bench_stages_answers_seconds(small_recipe: Path, finished_run: Path, tmp_path: Path) -> None:
    figures = tmp_path / "stages.json"
    run_lilm("bench", "stages", "--recipe", small_recipe, "--run", finished_run, "--json", figures)
    rows = json.loads(figures.read_text())["stages"]
    assert [row["name"] for row in rows] == [stage.name for stage in STAGES]
    assert all(row["seconds"] >= 0 for row in rows)


def test_force_makes_the_same_bytes_again(finished_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    before = json.loads((run / "export" / "manifest.json").read_text())["outputs"]
    run_lilm("export", "--run", run, "--force")
    after = json.loads((run / "export" / "manifest.json").read_text())["outputs"]
    assert {name: entry["sha256"] for name, entry in after.items()} == {n: e["sha256"] for n, e in before.items()}
    assert after["model-f16.gguf"]["mtime_ns"] != before["model-f16.gguf"]["mtime_ns"], "it was made again"


def test_a_file_for_a_size_and_one_that_is_learnt_go_on_to_the_page(
    small_recipe: Path, finished_run: Path, tmp_path: Path
) -> None:
    text = small_recipe.read_text(encoding="utf-8").replace('["Q4_K_M", "Q8_0"]', '["mix", "mix-learned"]')
    (tmp_path / "lilm.toml").write_text(text, encoding="utf-8")
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    run_lilm("run", "--recipe", tmp_path / "lilm.toml", "--run", run)
    assert leftovers(run) == []
    models = json.loads((run / "site" / "models.json").read_text(encoding="utf-8"))["models"]
    assert [one["file"] for one in models] == ["models/model-mix-1.4MB.gguf", "models/model-mix-1.4MB-learned.gguf"]
    assert all(one["quality"]["ja"]["kld_mean"] is not None and one["memory"]["threads"] for one in models)
    assert all((run / "site" / one["file"]).stat().st_size <= 1.4e6 for one in models)
