"""The same bytes again, from recipe.json and the F16 file."""

import json
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.export.remake import remake
from lilm.export.stage import run
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from lilm.recipe import ExportConfig
from tests.conftest import lilm


@pytest.fixture
def quiet() -> Reporter:
    return Reporter(quiet=True)


def test_recipe_json_names_all_that_decides_the_bytes(random_export: Path, random_model: Path) -> None:
    recipe = json.loads((random_export / "recipe.json").read_text(encoding="utf-8"))
    report = json.loads((random_export / "report.json").read_text(encoding="utf-8"))
    assert {"lilm", "gguf", "llama_cpp_python", "numpy"} <= recipe["made_by"].keys()
    assert recipe["full"]["sha256"] == sha256_file(random_export / "model-f16.gguf")
    for name in ("config.json", "tokenizer.model", "chat_template.jinja"):
        assert recipe["full"]["made_from"][name] == sha256_file(random_model / name)
    assert any(name.endswith(".safetensors") for name in recipe["full"]["made_from"])
    assert len(recipe["files"]) == 6
    for entry, row in zip(recipe["files"], report["files"][1:], strict=True):
        assert entry["sha256"] == sha256_file(random_export / entry["name"])
        assert (entry["how"], entry["quant"], entry["types"]) == ("llama.cpp", row["quant"], row["tensors"])


def test_the_command_makes_the_same_bytes(random_export: Path, tmp_path: Path) -> None:
    names = ("model-Q4_K_M.gguf", "model-IQ4_NL.gguf")
    only = [part for name in names for part in ("--only", name)]
    result = lilm(
        "export", "remake", random_export / "recipe.json", random_export / "model-f16.gguf", "--out", tmp_path, *only
    )
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    for name in names:
        assert sha256_file(tmp_path / name) == sha256_file(random_export / name)


def test_files_in_parts_come_again_from_parts(
    random_model: Path, session_context: Context, quiet: Reporter, tmp_path: Path
) -> None:
    made, again = tmp_path / "made", tmp_path / "again"
    made.mkdir()
    run(ExportConfig(quants=("Q8_0",), shard_mb=1), {"finetune": random_model}, made, session_context)
    first = next(made.glob("model-f16-00001-of-*.gguf"))
    parts = remake(made / "recipe.json", first, again, quiet)
    assert len(parts) > 1
    assert {path.name: sha256_file(path) for path in again.iterdir()} == {
        path.name: sha256_file(path) for path in made.glob("model-Q8_0-*.gguf")
    }


def test_another_f16_file_is_refused_and_nothing_written(
    random_export: Path, real_export: Path, quiet: Reporter, tmp_path: Path
) -> None:
    with pytest.raises(LilmError, match=r"another file than the recipe's model-f16\.gguf"):
        remake(random_export / "recipe.json", real_export / "model-f16.gguf", tmp_path / "new" / "again", quiet)
    with pytest.raises(LilmError, match=r"no file 'model-Q9_0\.gguf'"):
        remake(random_export / "recipe.json", random_export / "model-f16.gguf", tmp_path, quiet, ("model-Q9_0.gguf",))
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_are_an_error_that_names_the_versions(random_export: Path, quiet: Reporter, tmp_path: Path) -> None:
    changed = json.loads((random_export / "recipe.json").read_text(encoding="utf-8"))
    changed["files"] = [{**entry, "sha256": "0" * 64} for entry in changed["files"] if entry["quant"] == "Q4_0"]
    changed["made_by"]["llama_cpp_python"] = "0.0.1"
    (tmp_path / "recipe.json").write_text(json.dumps(changed))
    with pytest.raises(LilmError, match=r"model-Q4_0\.gguf came out with other bytes \(llama_cpp_python 0\.0\.1 there"):
        remake(tmp_path / "recipe.json", random_export / "model-f16.gguf", tmp_path / "out", quiet)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format"),
        ({"files": [{"name": "../x.gguf"}]}, "files.0.name"),
        ({"more": 1}, "more"),
        ({"threads": 0}, "threads"),
        ({"shard_mb": -1}, "shard_mb"),
    ],
)
def test_what_is_no_recipe_is_refused(
    change: dict[str, object], said: str, random_export: Path, quiet: Reporter, tmp_path: Path
) -> None:
    known = json.loads((random_export / "recipe.json").read_text(encoding="utf-8"))
    (tmp_path / "recipe.json").write_text(json.dumps({**known, **change}))
    with pytest.raises(LilmError) as caught:
        remake(tmp_path / "recipe.json", random_export / "model-f16.gguf", tmp_path / "out", quiet)
    assert said in caught.value.what
    assert not (tmp_path / "out").exists()


MIX: dict[str, Any] = {"how": "mix", "quant": None}
LEARNT: dict[str, Any] = {"how": "learned", "quant": None, "begins_with": "model-Q4_0.gguf"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quant": None}, "model-Q4_0.gguf has no quant"),
        ({**MIX, "types": {}}, "has no type for token_embd.weight"),
        ({**MIX, "types": {"token_embd.weight": "Q9_9"}}, "has Q9_9 for token_embd.weight"),
        ({**MIX, "types": {"token_embd.weight": "I8"}}, "has I8 for token_embd.weight"),
        ({**LEARNT, "settings": {"quant": "Q4_0"}}, "begins with model-Q4_0.gguf, which is learnt itself"),
        (LEARNT, "has no settings"),
        ({**LEARNT, "settings": {"quant": "Q4_0"}, "begins_with": "other.gguf"}, "names 'other.gguf'"),
    ],
)
def test_a_recipe_that_does_not_say_how_a_file_is_made_is_refused_before_any_is(
    change: dict[str, Any], said: str, random_export: Path, tmp_path: Path
) -> None:
    known = json.loads((random_export / "recipe.json").read_text(encoding="utf-8"))
    files = {entry["name"]: entry for entry in known["files"]}
    files["model-Q4_0.gguf"] |= change
    (tmp_path / "recipe.json").write_text(json.dumps({**known, "files": [*files.values()]}))
    full, out = random_export / "model-f16.gguf", tmp_path / "out"
    result = lilm("export", "remake", tmp_path / "recipe.json", full, "--out", out, "--run", tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert said in result.stderr and str(tmp_path / "recipe.json") in result.stderr
    assert not out.exists()


def test_a_learnt_file_wants_its_run(random_export: Path, quiet: Reporter, tmp_path: Path) -> None:
    known = json.loads((random_export / "recipe.json").read_text(encoding="utf-8"))
    start = next(entry for entry in known["files"] if entry["quant"] == "Q4_0")
    learnt = {
        **{key: start[key] for key in ("bytes", "sha256", "types")},
        "name": "model-Q4_0-learned.gguf",
        "how": "learned",
        "begins_with": start["name"],
        "settings": {"quant": "Q4_0"},
        "learnt_from": {"finetune": "0" * 64},
    }
    (tmp_path / "recipe.json").write_text(json.dumps({**known, "files": [start, learnt]}))
    arguments = (tmp_path / "recipe.json", random_export / "model-f16.gguf", tmp_path / "out", quiet)
    with pytest.raises(LilmError, match="were learnt from text"):
        remake(*arguments)
    (tmp_path / "run" / "finetune").mkdir(parents=True)
    with pytest.raises(LilmError, match=r"is not what model-Q4_0-learned\.gguf was learnt from"):
        remake(*arguments, run=tmp_path / "run")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in remake(*arguments, names=[start["name"]])] == [start["name"]]
