"""`lilm bench quant`: what was learnt, is no finished run, or is not what the export wrote is refused."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lilm.errors import LilmError
from lilm.export.bench.stage import run as run_bench
from lilm.export.calibration import digest
from lilm.export.quality.bench import measure
from lilm.export.quality.opened import open_run
from lilm.export.stage import run as run_export
from lilm.gguf_file import open_gguf
from lilm.llamacpp.engine import Engine, Score
from lilm.origin import Origin
from lilm.pipeline.artifact import Manifest, describe_outputs
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.pipeline.stage import Context, stage_named
from lilm.pipeline.work import stage_config
from lilm.progress import Reporter
from lilm.recipe import BenchConfig, ExportConfig, load_recipe
from tests.export.quality_run import SMALL, SPLITS, make_run, rows, seal, seal_all, text, write_corpus, write_recipe

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def run(random_model: Path, session_context: Context, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("quant") / "run", random_model, session_context)


def test_a_document_that_training_read_is_refused(run: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "run"
    shutil.copytree(run, spoilt)
    write_corpus(spoilt / "corpus", (SPLITS[0], range(299, 330)))
    seal_all(spoilt)
    with pytest.raises(LilmError, match="a held-out document was read by training too"):
        measure(Reporter(quiet=True), [spoilt], **SMALL)
    assert not (spoilt / "quant" / "report.json").exists()


def test_a_corpus_that_came_later_is_refused(run: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "run"
    shutil.copytree(run, spoilt)
    write_corpus(spoilt / "corpus", (range(1000, 1300), SPLITS[1]))
    seal_all(spoilt)
    with pytest.raises(LilmError, match="the corpus is not the one that the files were made with"):
        measure(Reporter(quiet=True), [spoilt], **SMALL)


def test_text_that_the_model_learnt_before_it_was_held_out_is_refused(run: Path, tmp_path: Path) -> None:
    """More is held out now, and the pack stage ran again; the model is the one that learnt it."""
    moved = tmp_path / "run"
    shutil.copytree(run, moved)
    write_corpus(moved / "corpus", (range(280), range(280, 330)))
    (moved / "pack" / "report.json").write_text('{"documents": 560}')
    for name in ("corpus", "pack"):
        seal(moved / name, name)
    with pytest.raises(LilmError, match=r"stage pretrain was made from another pack .*--to export"):
        measure(Reporter(quiet=True), [moved], **SMALL)
    assert not (moved / "quant" / "report.json").exists()
    config = BenchConfig(eval_tokens=400, n_ctx=64)
    context = Context(0, 1, "ja", "en", Reporter(quiet=True))
    with pytest.raises(LilmError, match="stage pretrain was made from another pack"):
        run_bench(config, {"export": moved / "export", "corpus": moved / "corpus"}, tmp_path, context)
    shutil.rmtree(moved / "pretrain")
    with pytest.raises(LilmError, match=r"it cannot be proved .*: stage pretrain is gone"):
        measure(Reporter(quiet=True), [moved], **SMALL)


def test_a_recipe_that_says_of_other_chats_than_were_read_is_refused(run: Path, tmp_path: Path) -> None:
    changed = tmp_path / "run"
    shutil.copytree(run, changed)
    recipe = load_recipe(str(changed / "lilm.toml"))
    for name in ("finetune", "export"):
        seal(changed / name, name, stage_config(stage_named(name), recipe))
    open_run(changed, tmp_path, Reporter(quiet=True))
    written = (changed / "lilm.toml").read_text(encoding="utf-8")
    (changed / "lilm.toml").write_text(written.replace("limit = 20\n", "limit = 10\n"), encoding="utf-8")
    with pytest.raises(LilmError, match=r"finetune\.sources\[0\]\.limit is 10, it was 20 when stage finetune ran"):
        measure(Reporter(quiet=True), [changed], **SMALL)
    (changed / "lilm.toml").write_text(written.replace('"Q8_0", ', ""), encoding="utf-8")
    with pytest.raises(LilmError, match=r"export\.quants is \['Q4_0'\], it was"):
        measure(Reporter(quiet=True), [changed], **SMALL)


def test_a_document_that_a_budget_was_measured_on_is_refused(run: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "run"
    shutil.copytree(run, spoilt)
    report = json.loads((spoilt / "export" / "report.json").read_text(encoding="utf-8"))
    held_out = sorted(digest(text("ja", number)) for number in SPLITS[1])
    report["calibration"]["sensitivity"]["documents_sha256"] += held_out
    write_json(spoilt / "export" / "report.json", report)
    with pytest.raises(LilmError, match="read by sensitivity too"):
        measure(Reporter(quiet=True), [spoilt], **SMALL)


def test_a_missing_f16_file_is_made_again_or_asked_for(run: Path, tmp_path: Path) -> None:
    less = tmp_path / "run"
    shutil.copytree(run, less)
    known = sha256_file(less / "export" / "model-f16.gguf")
    (less / "export" / "model-f16.gguf").unlink()
    opened = open_run(less, tmp_path, Reporter(quiet=True))
    assert opened.full.path == tmp_path / "model-f16.gguf"
    assert sha256_file(opened.full.path) == known == opened.full.sha256
    opened.full.path.unlink()
    shutil.rmtree(less / "finetune")
    with pytest.raises(LilmError, match="the F16 file is gone, and so is the model"):
        open_run(less, tmp_path, Reporter(quiet=True))


def test_the_f16_file_is_made_again_with_the_base_and_the_licence_that_it_names(
    run: Path, session_context: Context, tmp_path: Path
) -> None:
    less = tmp_path / "run"
    for name in ("finetune", "corpus"):
        shutil.copytree(run / name, less / name)
    (less / "base").mkdir()
    Origin("hub", "SmolLM2-135M", "HuggingFaceTB/SmolLM2-135M").write(less / "base")
    settings = {"quants": ["Q8_0"], "license": "MIT"}
    write_recipe(less, settings)
    (less / "export").mkdir()
    inputs = {"finetune": less / "finetune", "base": less / "base"}
    run_export(ExportConfig.model_validate(settings), inputs, less / "export", session_context)
    Manifest("export", "key", {}, {"base": "digest"}, describe_outputs(less / "export", ()), (), {}).write(
        less / "export"
    )
    (less / "export" / "model-f16.gguf").unlink()
    keys = open_gguf(open_run(less, tmp_path, Reporter(quiet=True)).full.path).keys
    assert (keys["general.license"], keys["general.base_model.0.name"]) == ("MIT", "SmolLM2-135M")


def test_files_in_parts_are_joined_and_measured(run: Path, session_context: Context, tmp_path: Path) -> None:
    split = tmp_path / "run"
    for name in ("corpus", "pack", "pretrain", "finetune"):
        shutil.copytree(run / name, split / name)
    settings = {"quants": ["Q8_0"], "shard_mb": 1.6}
    write_recipe(split, settings)
    export = split / "export"
    export.mkdir()
    run_export(ExportConfig.model_validate(settings), {"finetune": split / "finetune"}, export, session_context)
    seal_all(split)
    figures = measure(Reporter(quiet=True), [split], **{**SMALL, "skip": "speed,browser,generations"})
    found = rows(figures)["Q8_0"]
    whole = run / "export" / "model-Q8_0.gguf"
    parts = sorted(export.glob("model-Q8_0-*.gguf"))
    assert len(parts) > 1 and found["name"] == parts[0].name
    assert (found["sha256"], found["parts_sha256"]) == (sha256_file(whole), [sha256_file(path) for path in parts])
    assert found["mb"] == pytest.approx(sum(path.stat().st_size for path in parts) / 1e6, abs=1e-3)
    assert 0 < found["kld_ja"] < 0.1
    for path in export.glob("model-f16-*.gguf"):
        path.unlink()
    full = open_run(split, tmp_path, Reporter(quiet=True)).full
    assert sha256_file(full.path) == full.sha256 == rows(figures)["F16"]["sha256"]


def test_what_is_no_finished_run_is_told_in_one_line(run: Path, tmp_path: Path) -> None:
    quiet = Reporter(quiet=True)
    with pytest.raises(LilmError, match="give the folder of a finished run"):
        measure(quiet)
    with pytest.raises(LilmError, match="no such folder"):
        measure(quiet, [tmp_path / "nowhere"], out=tmp_path / "out")
    with pytest.raises(LilmError, match=r"no lilm\.toml in it"):
        measure(quiet, [tmp_path], out=tmp_path / "out")
    shutil.copyfile(run / "lilm.toml", tmp_path / "lilm.toml")
    assert load_recipe(str(tmp_path / "lilm.toml")).name == "quickstart"
    with pytest.raises(LilmError, match="nothing is exported there"):
        measure(quiet, [tmp_path], out=tmp_path / "out")
    with pytest.raises(LilmError, match="results in one folder") as caught:
        measure(quiet, [run, run.parent / "." / run.name])
    assert (caught.value.where, caught.value.remedy) == (str(run / "quant"), "name each run once")
    with pytest.raises(LilmError, match="cannot skip 'tests'"):
        measure(quiet, [run], skip="tests")
    with pytest.raises(LilmError, match="5 is too few"):
        measure(quiet, [run], eval_tokens=5)


def test_another_file_than_the_export_wrote_is_refused(run: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "run"
    shutil.copytree(run, spoilt)
    shutil.copyfile(spoilt / "export" / "model-Q4_0.gguf", spoilt / "export" / "model-Q8_0.gguf")
    with pytest.raises(LilmError, match="it is not the file that the export wrote"):
        measure(Reporter(quiet=True), [spoilt], **SMALL)


def test_a_file_that_computes_no_number_is_told(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = Engine.score

    def spoilt(self: Engine, *window: Any) -> Score:
        found = score(self, *window)
        return dataclasses.replace(found, nll=np.where(np.arange(len(found.nll)), found.nll, np.nan))

    monkeypatch.setattr(Engine, "score", spoilt)
    with pytest.raises(LilmError, match="it computes what is no number"):
        measure(Reporter(quiet=True), [run], out=tmp_path, **SMALL)
    assert not (tmp_path / "report.json").exists()


def test_too_little_text_is_refused(run: Path, tmp_path: Path) -> None:
    poor = tmp_path / "run"
    shutil.copytree(run, poor)
    write_corpus(poor / "corpus", (SPLITS[0], range(300, 301)))
    with pytest.raises(LilmError, match="1 held-out documents of 'ja' have text; an interval needs 2"):
        measure(Reporter(quiet=True), [poor], **SMALL)
