"""A folder for the hub: complete, true, and safe whatever names hold."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest
import yaml

from lilm.errors import LilmError
from lilm.export.hub_folder import make_hub_folder
from lilm.export.model_card import UNKNOWN, Card
from lilm.export.stage import run as run_export
from lilm.gguf_file import open_gguf
from lilm.origin import Origin, of_folder, of_gguf, of_recipe, read_origin
from lilm.pipeline.artifact import Manifest, describe_outputs
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context, stage_named
from lilm.pipeline.work import stage_config
from lilm.progress import Reporter
from lilm.recipe import ExportConfig, Recipe, recipe_text, recipe_toml
from lilm.recipe.files import parse_recipe
from tests.conftest import lilm

SMOL = Origin(
    "hub", "SmolLM2-135M", "HuggingFaceTB/SmolLM2-135M", "abc123", license="apache-2.0", license_from="its README.md"
)
FIGURES = {"bits_per_byte": 1.25, "kld_mean": 0.0123, "kld_se": 0.001, "kld_p99": 0.2, "top1_agreement": 0.95}


def recipe(**changed: Any) -> Recipe:
    text = recipe_text("quickstart").replace(
        "[export]", '[export]\nlicense = "cc-by-sa-4.0"' if changed.get("told") else "[export]"
    )
    return parse_recipe(text, "lilm.toml", Path("/"))


def finish(
    folder: Path, stage: str, inputs: dict[str, str] | None = None, config: dict[str, Any] | None = None
) -> Manifest:
    manifest = Manifest(stage, "0", config or {}, inputs or {}, describe_outputs(folder, ()), (), {})
    manifest.write(folder)
    return manifest


@pytest.fixture
def run(random_model: Path, session_context: Context, tmp_path: Path) -> Path:
    """A run as its stages leave it, with a base of the hub, a file in parts, and measured."""
    run = tmp_path / "run"
    for name in ("base", "export", "bench"):
        (run / name).mkdir(parents=True)
    (run / "lilm.toml").write_text(recipe_toml(recipe(told=True)), encoding="utf-8")
    (run / "finetune").mkdir()
    for path in random_model.iterdir():
        os.link(path, run / "finetune" / path.name)
    (run / "finetune" / "report.json").write_text("{}")
    SMOL.write(run / "base")
    config = ExportConfig(quants=("Q8_0", "Q4_0"), shard_mb=1.6, license="cc-by-sa-4.0")
    run_export(config, {"finetune": run / "finetune", "base": run / "base"}, run / "export", session_context)
    files = json.loads((run / "export" / "report.json").read_text())["files"]
    rows = [{"name": file["name"], "quality": {"ja": FIGURES, "en": FIGURES}} for file in files]
    measured = {"ja": {"tokens": 12_345}, "en": {"tokens": 678}}
    (run / "bench" / "report.json").write_text(json.dumps({"files": rows, "measured_on": measured}))
    finish(run / "finetune", "finetune")
    finish(run / "bench", "bench", {"export": finish(run / "export", "export").digest})
    return run


def front_matter(card: str) -> dict[str, Any]:
    found = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def test_a_folder_that_can_be_uploaded(run: Path, tmp_path: Path) -> None:
    result = lilm("export", "hub", run, "--out", tmp_path / "hub", "--repo", "me/my-model")
    assert result.returncode == 0, result.stderr
    assert "nothing was uploaded" in result.stderr
    names = {path.name for path in (tmp_path / "hub").iterdir()}
    parts = {path.name for path in (run / "export").glob("*.gguf")}
    assert len(parts) == 6
    assert names >= parts | {"README.md", "recipe.json", "config.json", "tokenizer.model", "chat_template.jinja"}
    assert not names & {"report.json", "manifest.json", "lilm.toml"}
    assert any(name.endswith(".safetensors") for name in names)
    for name in parts:
        assert (tmp_path / "hub" / name).samefile(run / "export" / name)
    assert not (tmp_path / "hub" / "config.json").samefile(run / "finetune" / "config.json")
    card = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    assert front_matter(card) == {
        "language": ["ja", "en"],
        "license": "cc-by-sa-4.0",
        "base_model": SMOL.repo,
        "base_model_relation": "finetune",
        "pipeline_tag": "text-generation",
        "library_name": "transformers",
        "tags": ["gguf", "llama", "llama.cpp", "conversational", "lilm"],
    }
    assert "0.0123 ± 0.0010 | 95.0 % |" in card and "12,345 tokens of Japanese" in card
    assert "| the base | apache-2.0 | its README\\.md |" in card
    assert str(tmp_path) not in card
    assert "hf download me/my-model --include model-Q4_0.gguf" in card
    assert "{{ messages[0].content }}" in card


def test_its_code_for_transformers_runs(run: Path, tmp_path: Path) -> None:
    make_hub_folder(run, tmp_path / "hub", "me/my-model", Reporter(quiet=True))
    card = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert found
    said: list[str] = []
    code = found[1].replace('"me/my-model"', repr(str(tmp_path / "hub"))).replace("128", "4")
    exec(code, {"print": said.append})  # noqa: S102 - it is ours
    assert len(said) == 1


def test_keys_of_the_gguf_name_licence_and_base(run: Path) -> None:
    keys = open_gguf(run / "export" / "model-Q4_0.gguf").keys
    assert keys["general.license"] == "cc-by-sa-4.0"
    assert keys["general.base_model.0.name"] == "SmolLM2-135M"
    assert keys["general.base_model.0.organization"] == "HuggingFaceTB"
    assert keys["general.base_model.0.repo_url"] == "https://huggingface.co/HuggingFaceTB/SmolLM2-135M"


def test_an_adapter_and_an_importance_matrix_go_along(run: Path, tmp_path: Path) -> None:
    export = run / "export"
    names = ("lora/adapter.gguf", "lora/base-f16.gguf", "lora/recipe.json", "calibration/imatrix.gguf")
    for name in names:
        (export / name).parent.mkdir(exist_ok=True)
        (export / name).write_bytes(b"GGUF")
    (export / "calibration" / "sensitivity.json").write_text("{}")
    report, known = (json.loads((export / name).read_text()) for name in ("report.json", "recipe.json"))
    bases = [{"name": "lora/base-f16.gguf", "quant": "F16"}]
    report["adapter"] = {"name": "lora/adapter.gguf", "bytes": 4, "rank": 8, "bases": bases}
    known["files"][0]["imatrix"] = {"path": "calibration/imatrix.gguf", "sha256": "0" * 64}
    (export / "report.json").write_text(json.dumps(report))
    (export / "recipe.json").write_text(json.dumps(known))
    finish(export, "export")
    make_hub_folder(run, tmp_path / "hub", "me/my-model", Reporter(quiet=True))
    made = {path.relative_to(tmp_path / "hub").as_posix() for path in (tmp_path / "hub").rglob("*") if path.is_file()}
    assert {name for name in made if "/" in name} == set(names)
    card = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    assert "llama-cli -m lora/base-f16.gguf --lora lora/adapter.gguf" in card and "rank 8" in card


def test_figures_of_other_files_are_left_out(run: Path, tmp_path: Path) -> None:
    finish(run / "bench", "bench", {"export": "another"})
    make_hub_folder(run, tmp_path / "hub", "", Reporter(quiet=True))
    card = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    assert "Their quality was not measured" in card and "0.0123" not in card
    assert "hf download OWNER/NAME" in card


def test_figures_of_bench_quant_come_before_the_stage_s(run: Path, tmp_path: Path) -> None:
    export = json.loads((run / "export" / "report.json").read_text(encoding="utf-8"))["files"]

    def measured(file: dict[str, Any], kld: float | None) -> dict[str, Any]:
        sums = [sha256_file(run / "export" / part) for part in file.get("parts", [file["name"]])]
        told = None if kld is None else {"value": kld, "se": 0.00004, "ci95": [0, 1]}
        short = {"bits_per_byte": {"value": 1.875}, "kld_mean": told, "same_top": told and {"value": 0.875}}
        texts = {"ja": {"short": short}, "en": {"short": short}}
        return {
            "name": file["name"],
            "quant": file["quant"],
            "control": False,
            "sha256": sums[0],
            "parts_sha256": sums,
            "texts": texts,
        }

    on = {lang: {"short": {"tokens": 98_765}} for lang in ("ja", "en")}
    rows = [measured(file, None if file["quant"] == "F16" else 0.0456) for file in export]
    (run / "quant").mkdir()
    model = {"name": "x", "languages": ["ja", "en"], "measured_on": on, "files": rows}
    finish(run / "bench", "bench", {"export": "another"})
    cases: list[tuple[str, dict[str, Any], bool]] = [
        ("of these files", {}, True),
        ("of another version", {"measured_on": {}}, False),
        ("of other files", {"files": rows[:-1]}, False),
    ]
    for case, changed, said in cases:
        (run / "quant" / "report.json").write_text(json.dumps({"models": [{**model, **changed}]}), encoding="utf-8")
        make_hub_folder(run, tmp_path / case, "", Reporter(quiet=True))
        card = (tmp_path / case / "README.md").read_text(encoding="utf-8")
        assert ("0.0456 ± 4e-05" in card and "87.5 %" in card and "98,765 tokens" in card) is said
        assert ("Their quality was not measured" in card) is not said


def test_files_of_another_model_than_the_one_beside_them_are_not_published(run: Path, tmp_path: Path) -> None:
    finetune = finish(run / "finetune", "finetune")
    finish(run / "export", "export", {"finetune": finetune.digest, "base": "of before"})
    make_hub_folder(run, tmp_path / "one", "", Reporter(quiet=True))  # without a finished base stage nothing is known
    (run / "finetune" / "report.json").write_text('{"taught": "again"}')
    finish(run / "finetune", "finetune")
    with pytest.raises(LilmError, match="stage export was made from another finetune than lies there"):
        make_hub_folder(run, tmp_path / "two", "", Reporter(quiet=True))
    assert not (tmp_path / "two").exists()


def test_a_card_tells_what_the_files_were_made_with(run: Path, tmp_path: Path) -> None:
    """Their own key says the licence too; the texts' licences are in no file."""
    for name in ("corpus", "finetune", "export"):
        (run / name).mkdir(exist_ok=True)
        finish(run / name, name, config=stage_config(stage_named(name), recipe(told=True)))
    text = recipe_toml(recipe(told=True))
    told = text.replace('license = ""', 'license = "mit"', 1)  # of a text
    assert told != text
    (run / "lilm.toml").write_text(told, encoding="utf-8")
    make_hub_folder(run, tmp_path / "one", "", Reporter(quiet=True))
    for old, new, said in (
        ('license = "cc-by-sa-4.0"', 'license = "mit"', r"export\.license is 'mit', it was 'cc-by-sa-4.0' when stage"),
        (
            'name = "stories-ja"',
            'name = "other"',
            r"corpus\.sources\[0\]\.name is 'other', it was 'stories-ja' when stage",
        ),
    ):
        (run / "lilm.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(LilmError, match=said) as caught:
            make_hub_folder(run, tmp_path / "two", "", Reporter(quiet=True))
        assert caught.value.where == str(run / "lilm.toml")
    assert not (tmp_path / "two").exists()


def test_what_holds_something_stays_and_what_is_not_done_is_said(run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    for folder, broken, said in (
        (tmp_path / "full", "", "holds something"),
        (tmp_path / "new", "model-Q4_0.gguf", "is not what"),
    ):
        if broken:
            (run / "export" / broken).write_bytes(b"GGUF")
        with pytest.raises(LilmError, match=said):
            make_hub_folder(run, folder, "", Reporter(quiet=True))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    assert not (tmp_path / "new").exists()
    with pytest.raises(LilmError, match="no such folder"):
        make_hub_folder(tmp_path / "nowhere", tmp_path / "new", "", Reporter(quiet=True))
    with pytest.raises(LilmError, match="stage finetune is not done"):
        make_hub_folder(tmp_path / "full", tmp_path / "new", "", Reporter(quiet=True))
    assert lilm("export", "hub", run, "--repo", "no-owner").returncode == 2


def card(**changed: Any) -> str:
    file = {"name": "model-Q4_0.gguf", "quant": "Q4_0", "bytes": 10**6, "bits_per_weight": 4.5, "note": ""}
    known = Card(recipe(), "", None, {"parameters": 10**6, "files": [file]}, None, "{{ messages }}")
    return replace(known, **changed).text


def test_an_untold_licence_is_unknown() -> None:
    text = card(origin=replace(SMOL, license="", license_from=""))
    assert front_matter(text)["license"] == "unknown"
    assert f"| this model | **{UNKNOWN}** |" in text and f"| the base | **{UNKNOWN}** |" in text
    assert "made up by LiLM, nobody else's" in text  # its stories
    assert "made from scratch" in card()


def test_a_licence_of_no_list_is_told_by_its_name() -> None:
    def told(name: str) -> dict[str, Any]:
        text = recipe_text("quickstart").replace("[export]", f'[export]\nlicense = "{name}"')
        found = front_matter(card(recipe=parse_recipe(text, "lilm.toml", Path("/"))))
        return {key: value for key, value in found.items() if key.startswith("license")}

    assert told("Apache-2.0") == {"license": "apache-2.0"}
    assert told("CC BY-SA 4.0") == {"license": "other", "license_name": "CC BY-SA 4.0"}


def test_a_base_of_before_origins_were_kept_is_not_called_scratch() -> None:
    text = recipe_text("tinyllama-ja")
    found = of_recipe(parse_recipe(text, "lilm.toml", Path("/")).base)
    assert found is not None and found.repo.startswith("TinyLlama/") and found.license == ""
    assert of_recipe(recipe().base) is None


def test_no_text_of_a_file_is_taken_for_markdown() -> None:
    evil = "x | <img src=x onerror=alert(1)> [a](javascript:1) `b` ---\nlicense: mit\n# no"
    origin = Origin("path", evil, license=evil, license_from="its README.md")
    text = card(origin=origin, template="```\n# out of the block\n---\n")
    found = front_matter(text)
    assert found["license"] == "unknown" and "base_model" not in found
    body = text.split("---\n", 2)[2]
    assert not re.search(r"(?<!\\)<img", body) and "](javascript" not in body
    assert "````jinja\n```\n# out of the block\n---\n````" in body
    assert not re.search(r"^# no", body, re.MULTILINE)
    (row,) = [line for line in body.splitlines() if line.startswith("| the base")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("---\nlicense: apache-2.0\n---\n# m", "apache-2.0"),
        ("---\nlicense: [mit]\n---\n", "mit"),
        ("---\nlicense: other\nlicense_name: llama3.2\n---\n", "llama3.2"),
        ("---\nlicense: {a: 1}\n---\n", ""),
        ("---\nlicense: [\n---\n", ""),
        ("# no front matter", ""),
        ("", ""),
    ],
)
def test_a_bases_licence_is_what_its_card_says(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    found = of_folder("path", tmp_path)
    assert (found.license, found.license_from) == (said, "its README.md" if said else "")
    found.write(tmp_path)
    assert read_origin(tmp_path) == found


def test_a_gguf_base_says_it_by_its_keys(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_name("Tiny Llama")
    writer.add_license("apache-2.0")
    writer.add_repo_url("https://huggingface.co/o/tiny")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = of_gguf(open_gguf(tmp_path / "m.gguf"))
    digest = sha256_file(tmp_path / "m.gguf")
    assert found == Origin("gguf", "Tiny Llama", "o/tiny", "", digest, "apache-2.0", "general.license in the file")


def test_telling_a_licence_reruns_no_training() -> None:
    text = recipe_text("quickstart")
    plain = parse_recipe(text, "lilm.toml", Path("/"))
    changed = re.sub(r"^\[base\]$", '[base]\nlicense = "mit"', text, flags=re.MULTILINE)
    changed = re.sub(r"^\[\[corpus\.sources\]\]$", '[[corpus.sources]]\nlicense = "x"', changed, flags=re.MULTILINE)
    told = parse_recipe(changed, "lilm.toml", Path("/"))
    assert told.base.license == "mit" and told.corpus.sources[0].license == "x"
    for name in ("corpus", "base", "finetune"):
        stage = stage_named(name)
        assert stage_config(stage, told) == stage_config(stage, plain)
