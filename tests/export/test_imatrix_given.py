"""An importance matrix of one's own: what a recipe may name, what is refused when, and what follows from it."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lilm.errors import LilmError
from lilm.export.imatrix.file import write_imatrix
from lilm.export.imatrix.importance import Importance
from lilm.export.quality.apart import prove_apart
from lilm.export.quality.opened import open_run
from lilm.export.remake import remake
from lilm.export.stage import check, check_base, check_vocabulary, external, run
from lilm.llama.config import read_llama_config
from lilm.llama.layout import layout
from lilm.llama.shape import Shape
from lilm.pipeline.artifact import Manifest
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.runner import make_context, run_stage
from lilm.pipeline.stage import Context, stage_named
from lilm.pipeline.work import stage_inputs
from lilm.recipe import ExportConfig
from lilm.recipe.files import parse_recipe
from tests.conftest import quickstart_without_budget
from tests.export.quality_run import make_run, seal_all, write_corpus, write_recipe

pytestmark = pytest.mark.usefixtures("one_torch_thread")

KEYS: dict[str, Any] = {"quants": ("Q4_0",), "bits_per_weight": 5, "sensitivity_tokens": 256}
Q, LATER = "blk.0.attn_q.weight", "blk.3.attn_q.weight"
Sums = dict[str, np.ndarray]


def some_importance(model: Path, seed: int) -> Importance:
    """Such as no text has: a few columns matter a hundred times as much."""
    generator = np.random.default_rng(seed)
    entries = [one for one in layout(Shape.of(read_llama_config(model))) if len(one.shape) == 2]
    sums = {one.target: generator.exponential(1.0, one.shape[1]) ** 4 * 64 for one in entries[1:]}
    return Importance(sums, dict.fromkeys(sums, 64), ("mine.txt",), 1, 64)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return folder


@pytest.fixture(scope="module")
def calm(session_context: Context) -> Context:
    return dataclasses.replace(session_context, threads=1)


@pytest.fixture(scope="module")
def given(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("given") / "mine.gguf"
    write_imatrix(path, some_importance(random_model, 0))
    return path


def exported(model: Path, corpus: Path, out_dir: Path, context: Context, imatrix: Any) -> tuple[dict[str, Any], Path]:
    out_dir.mkdir()
    config = ExportConfig.model_validate({**KEYS, "imatrix": imatrix})
    run(config, {"finetune": model, "corpus": corpus}, out_dir, context)
    return json.loads((out_dir / "report.json").read_text(encoding="utf-8")), out_dir / "model-mix-5bpw.gguf"


def test_the_mixed_files_bytes_follow_from_the_file(
    random_model: Path, corpus: Path, calm: Context, given: Path, tmp_path: Path
) -> None:
    write_imatrix(tmp_path / "other.gguf", some_importance(random_model, 1))
    report, mine = exported(random_model, corpus, tmp_path / "mine", calm, str(given))
    _, again = exported(random_model, corpus, tmp_path / "again", calm, str(given))
    _, other = exported(random_model, corpus, tmp_path / "other", calm, str(tmp_path / "other.gguf"))
    _, without = exported(random_model, corpus, tmp_path / "without", calm, imatrix=False)
    assert sha256_file(again) == sha256_file(mine)
    assert len({sha256_file(one) for one in (mine, other, without)}) == 3
    recipe = json.loads((tmp_path / "mine" / "recipe.json").read_text(encoding="utf-8"))
    entry = next(one for one in recipe["files"] if one["how"] == "mix")
    assert entry["imatrix"] == {"path": "calibration/imatrix.gguf", "sha256": sha256_file(given)}
    assert (tmp_path / "mine" / "calibration" / "imatrix.gguf").read_bytes() == given.read_bytes()
    said = report["calibration"]["imatrix"]
    assert said == {"file": "calibration/imatrix.gguf", "given": "mine.gguf", "sha256": sha256_file(given)}
    assert "rounded with the importance matrix mine.gguf" in report["files"][-1]["note"]
    (remade,) = remake(
        tmp_path / "mine" / "recipe.json",
        tmp_path / "mine" / "model-f16.gguf",
        tmp_path / "remade",
        calm.reporter,
        names=[mine.name],
    )
    assert sha256_file(remade) == sha256_file(mine)


def test_a_recipe_names_it_relative_to_itself(tmp_path: Path) -> None:
    text = quickstart_without_budget().replace("[export]\n", '[export]\ntarget_mb = 3\nimatrix = "own/mine.gguf"\n')
    recipe = parse_recipe(text, "lilm.toml", tmp_path)
    assert recipe.export.imatrix_file == str(tmp_path / "own" / "mine.gguf")
    assert ExportConfig(imatrix=True).imatrix_file == ExportConfig(imatrix=False).imatrix_file == ""


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"imatrix": "mine.gguf"}, "nothing is rounded with one but the file of export.target_mb"),
        ({"imatrix": 3, "target_mb": 3}, "true, false or the path of a file"),
        ({"imatrix": "", "target_mb": 3}, "true, false or the path of a file"),
    ],
)
def test_what_the_key_cannot_be_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ExportConfig.model_validate(keys)


def changed(importance: Importance, change: Callable[[Sums, dict[str, int]], object]) -> Importance:
    sums, counts = {name: one.copy() for name, one in importance.sums.items()}, dict(importance.counts)
    change(sums, counts)
    return dataclasses.replace(importance, sums=sums, counts=counts)


def config_of(path: Path) -> ExportConfig:
    return ExportConfig.model_validate({**KEYS, "imatrix": str(path)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sums, counts: sums[Q].__setitem__(3, np.nan), f"{Q} has values that are no numbers"),
        (lambda sums, counts: sums[Q].__setitem__(3, -1.0), f"{Q} has values below 0"),
        (lambda sums, counts: counts.update({Q: 0}), f"{Q} was not measured"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_anything_starts(
    random_model: Path, calm: Context, tmp_path: Path, change: Callable[[Sums, dict[str, int]], object], said: str
) -> None:
    path = tmp_path / "mine.gguf"
    write_imatrix(path, changed(some_importance(random_model, 0), change))
    with pytest.raises(LilmError) as caught:
        check(config_of(path), calm)
    assert said in caught.value.what
    assert caught.value.where == f"export.imatrix {path}"
    assert "\n" not in caught.value.line()


def test_no_importance_matrix_is_refused_before_anything_starts(
    random_export: Path, calm: Context, tmp_path: Path
) -> None:
    (tmp_path / "imatrix.dat").write_bytes(b"\x12\0\0\0blk.0")
    for path, said in (
        (tmp_path / "none.gguf", "no such file"),
        (tmp_path, "no such file"),
        (tmp_path / "imatrix.dat", "not a GGUF file"),
        (random_export / "model-f16.gguf", "no importance matrix"),
    ):
        with pytest.raises(LilmError, match=said) as caught:
            check(config_of(path), calm)
        assert caught.value.where == f"export.imatrix {path}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sums, counts: sums.pop(Q), f"{Q} is not in it"),
        (lambda sums, counts: sums.update({Q: sums[Q][:-1]}), f"{Q} has 255 columns there and 256 in the model"),
        (lambda sums, counts: (sums.update({LATER: sums[Q]}), counts.update({LATER: 1})), f"it names {LATER}"),
    ],
)
def test_one_of_another_model_is_refused_as_soon_as_the_base_is_there(
    random_model: Path, calm: Context, tmp_path: Path, change: Callable[[Sums, dict[str, int]], object], said: str
) -> None:
    path = tmp_path / "mine.gguf"
    write_imatrix(path, changed(some_importance(random_model, 0), change))
    config = config_of(path)
    check(config, calm)
    with pytest.raises(LilmError) as caught:
        check_base(config, random_model, calm)
    assert said in caught.value.what
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    for name in ("tokenizer.model", "chat_template.jinja"):
        shutil.copyfile(random_model / name, tokenizer / name)
    (tokenizer / "report.json").write_text(json.dumps({"vocab_size": 384}), encoding="utf-8")
    with pytest.raises(LilmError) as caught:  # a base out of a GGUF file is a folder only now
        check_vocabulary(config, random_model, tokenizer, calm)
    assert said in caught.value.what


def test_what_only_the_finished_model_tells_is_refused_before_anything_is_written(
    random_model: Path, corpus: Path, calm: Context, tmp_path: Path
) -> None:
    """Whether there is an output matrix the weights say, which training writes."""
    path = tmp_path / "mine.gguf"
    write_imatrix(path, changed(some_importance(random_model, 0), lambda sums, counts: sums.pop("output.weight")))
    check_base(config_of(path), random_model, calm)
    with pytest.raises(LilmError, match=r"output\.weight is not in it"):
        exported(random_model, corpus, tmp_path / "out", calm, str(path))
    assert not list((tmp_path / "out").iterdir())


def test_a_changed_file_makes_the_stage_run_again(
    random_model: Path, corpus: Path, given: Path, tmp_path: Path, calm: Context
) -> None:
    path = tmp_path / "mine.gguf"
    shutil.copyfile(given, path)
    config = config_of(path)
    assert external(config, calm) == {str(path): sha256_file(given)}
    assert external(ExportConfig.model_validate(KEYS), calm) == {}
    folder = tmp_path / "run"
    make_run(folder, random_model, calm)
    (folder / "base").mkdir()
    Manifest("base", "key", {}, {}, {}, (), {}).write(folder / "base")
    write_recipe(folder, {"quants": ["Q4_0"], "bits_per_weight": 5, "imatrix": str(path), "sensitivity_tokens": 256})
    recipe = parse_recipe((folder / "lilm.toml").read_text(encoding="utf-8"), "lilm.toml", folder)
    context = make_context(recipe, calm.reporter)
    stage = stage_named("export")
    first = stage_inputs(stage, recipe, folder, context)
    assert first is not None and first["external"] == {str(path): sha256_file(given)}
    assert run_stage(stage, recipe, folder, context)
    assert not run_stage(stage, recipe, folder, context), "nothing has changed"
    write_imatrix(path, some_importance(random_model, 1))
    before = sha256_file(folder / "export" / "model-mix-5bpw.gguf")
    assert run_stage(stage, recipe, folder, context)
    assert sha256_file(folder / "export" / "model-mix-5bpw.gguf") != before


def test_the_proof_says_that_nobody_knows_what_it_was_measured_on(
    random_model: Path, calm: Context, tmp_path: Path
) -> None:
    run_dir = make_run(tmp_path / "run", random_model, calm)
    path = run_dir / "export" / "report.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    proof = prove_apart(open_run(run_dir, tmp_path, calm.reporter), {"ja": []})
    assert (proof["unknown"], "imatrix" in proof["read"]) == ([], True)
    report["calibration"]["imatrix"] = {"file": "calibration/imatrix.gguf", "given": "mine.gguf", "sha256": "0" * 64}
    path.write_text(json.dumps(report), encoding="utf-8")
    seal_all(run_dir)
    proof = prove_apart(open_run(run_dir, tmp_path, calm.reporter), {"ja": []})
    assert (proof["unknown"], "imatrix" in proof["read"]) == (["imatrix"], False)
