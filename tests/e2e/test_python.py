"""A run, its results and its models from Python, as a notebook has them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lilm
from lilm.errors import LilmError
from lilm.pipeline.artifact import Manifest
from lilm.recipe import recipe_text

FEW = {"corpus.sources.0.limit": 120, "corpus.sources.1.limit": 80}


def test_import_is_light_and_names_what_it_has() -> None:
    code = (
        "import sys, lilm; before = set(sys.modules); assert {'run', 'open_run', 'load_recipe'} <= set(dir(lilm));"
        "print([m for m in ('pydantic', 'typer', 'torch') if m in before]); lilm.load_recipe;"
        "print([m for m in ('torch', 'polars', 'gradio', 'llama_cpp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["[]", "[]", ""]
    with pytest.raises(AttributeError, match="no attribute 'walk'"):
        lilm.walk  # type: ignore[attr-defined]  # noqa: B018 - that it raises is what is tried


def test_a_finished_run_is_objects(small_recipe: Path, finished_run: Path) -> None:
    run = lilm.run(small_recipe, finished_run, quiet=True)
    assert next(iter(run.stages)) == "corpus" and run.site == finished_run / "site"
    assert all(figures["seconds"] >= 0 for figures in run.measurements.values())
    assert [one.quant for one in run.files][:2] == ["F16", "Q8_0"]
    for file in run.files:
        assert file.mb == file.path.stat().st_size / 1e6
        assert file.quality["ja"]["bits_per_byte"] > 0  # type: ignore[operator]
    assert run.file("mix").path.name == "model-mix-1.4MB.gguf"
    assert run.file("mix-learned").quant == "mix-1.4MB-learned"
    assert run.stages["export"].files["model-f16.gguf"] == run.file("F16").mb
    base, pretrained = run.steps
    assert (base.name, base.folder, pretrained.name) == ("base", finished_run / "base", "pretrain")
    assert base.quality["ja"]["bits_per_byte"] > pretrained.quality["ja"]["bits_per_byte"]  # type: ignore[operator]
    assert run.file("F16").quality["en"]["rise_low"] is not None
    shown = run._repr_html_()
    assert f"<td>{run.file('Q4_K_M').mb:.2f}</td>" in shown and shown.count("<tr>") == 1 + 2 + len(run.files)


def test_every_step_is_measured_on_the_same_text(finished_run: Path, tmp_path: Path) -> None:
    """Without chats, and with all that is held out as the text of both, there are two ways to the same figures."""
    run = tmp_path / "run"
    for name in ("corpus", "base", "tokenizer", "pack"):
        shutil.copytree(finished_run / name, run / name)
    # as much context as the base has: its windows of bytes can be no longer than pretraining's
    changes = {
        **{"finetune.sources": [], "pretrain.sequence_length": 1024, "pretrain.eval_bytes": 10**7},
        **{"pretrain.stage1.steps": 1, "pretrain.stage2.steps": 2, "pretrain.stage2.batch_size": 2},
        **{"bench.n_ctx": 1024, "bench.eval_tokens": 10**6, "bench.chats": [], "bench.prompts": []},
        **{"export.target_mb": 0.0, "export.learned": [], "export.quants": ["Q4_0"], "site.quants": ["Q4_0"]},
    }
    recipe = lilm.load_recipe(finished_run / "lilm.toml", changes)
    found = lilm.run(recipe, run, last="bench", quiet=True)
    own = found.stages["pretrain"].report
    (base, pretrained), (full, small) = found.steps, found.files
    for lang in ("ja", "en"):
        before, after, exported = (one.quality[lang]["bits_per_byte"] for one in (base, pretrained, full))
        assert before == pytest.approx(own["before"][f"bits_per_byte_{lang}"], rel=1e-5)
        assert after == pytest.approx(own["after"][f"bits_per_byte_{lang}"], rel=1e-5)
        assert exported == pytest.approx(after, rel=1e-3), "F16 rounds"
    page = found.write_report().read_text(encoding="utf-8")
    assert f"→ Q4_0 {small.quality['en']['bits_per_byte']:.3f}" in page and "after chats" not in page
    assert found.stages["bench"].manifest.inputs.keys() == {"base", "corpus", "pretrain", "export"}


def test_a_file_answers_and_goes_on_with_texts(finished_run: Path) -> None:
    file = lilm.open_run(finished_run).file("Q8_0")
    with file.open(n_ctx=256) as model:
        tries = (model.chat("こんにちは。", temp=1.5, seed=seed, n_predict=12) for seed in range(50))
        seed, reply = next((seed, reply) for seed, reply in enumerate(tries) if reply.text)
        assert 0 < reply.tokens <= 12 and str(reply) == reply.text == reply.text.strip()
        assert file.chat("こんにちは。", temp=1.5, seed=seed, n_predict=12).text == reply.text
        pieces = model.stream("こんにちは。", temp=1.5, seed=seed, n_predict=12)
        assert "".join(pieces).strip() == reply.text
        drawn = {str(model.generate("むかし", seed=seed, n_predict=8)) for seed in (1, 1, 2)}
        assert len(drawn) == 2, "the same seed writes the same text, another one another"
        with pytest.raises(LilmError, match="it cannot answer"):
            model.chat("長" * 5000)
        with pytest.raises(LilmError, match="--temp"):
            model.chat("?", temp=-1)


def test_what_is_done_is_skipped_and_the_rest_goes_on(small_recipe: Path, tmp_path: Path) -> None:
    recipe = lilm.load_recipe(small_recipe, FEW)
    first = lilm.run(recipe, tmp_path / "run", last="corpus", quiet=True)
    made = first.stages["corpus"].folder / "manifest.json"
    when = made.stat().st_mtime_ns
    again = lilm.run(recipe, tmp_path / "run", last="corpus", quiet=True)
    assert made.stat().st_mtime_ns == when and list(again.stages) == ["corpus"]
    assert again.files == () and again.site is None
    other = lilm.run(lilm.load_recipe(small_recipe, {**FEW, "seed": 7}), tmp_path / "run", last="corpus", quiet=True)
    assert made.stat().st_mtime_ns != when, "a changed key makes it anew"
    assert other.recipe.seed == 7 and (tmp_path / "run" / "report.html").is_file()
    with pytest.raises(LilmError, match="run the stage export first"):
        other.file("Q8_0")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pretrain.stage2.step": 3}, "unknown key pretrain.stage2.step"),
        ({"pretrain.stage2.steps": -3}, "pretrain.stage2.steps"),
        ({"corpus.sources.9.limit": 3}, "no place 9"),
        ({"corpus.sources.all.limit": 3}, "no place all"),
        ({"name.first": 3}, "inside a value"),
    ],
)
def test_changes_that_cannot_be(changes: dict[str, object], said: str) -> None:
    with pytest.raises(LilmError, match=said):
        lilm.load_recipe("quickstart", changes)


def test_errors_are_those_of_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(lilm.LilmError, match="no shipped recipe 'quickstar'"):
        lilm.run("quickstar", tmp_path / "run")
    with pytest.raises(lilm.LilmError, match="no stage 'sit'"):
        lilm.run("quickstart", tmp_path / "run", last="sit")
    with pytest.raises(lilm.LilmError, match="no such folder"):
        lilm.open_run(tmp_path / "nowhere")
    with pytest.raises(lilm.LilmError, match="no run in it"):
        lilm.open_run(tmp_path)
    with pytest.raises(lilm.LilmError):
        lilm.open_model(tmp_path / "no.gguf")
    assert not (tmp_path / "run").exists()


def test_a_report_that_is_gone_is_said(tmp_path: Path) -> None:
    (tmp_path / "lilm.toml").write_text(recipe_text("quickstart"), encoding="utf-8")
    (tmp_path / "export").mkdir()
    Manifest("export", "key", {}, {}, {}, (), {}).write(tmp_path / "export")
    with pytest.raises(lilm.LilmError, match=r"export/report\.json: no files in it — run that stage again"):
        _ = lilm.open_run(tmp_path).files
