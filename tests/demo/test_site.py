"""The site stage: a complete, self-contained folder, the same each time."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lilm.errors import LilmError
from lilm.licences import told_licences
from lilm.origin import Origin
from lilm.pipeline.artifact import Manifest, files_below
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import LLAMA_CPP_LICENSE, QUANT_REPORT, Context, stage_named
from lilm.pipeline.work import work_of
from lilm.recipe import load_recipe
from tests.conftest import ROOT

Inputs = Callable[[Path], dict[str, Path]]


@pytest.fixture
def made(site: Path) -> Path:
    return site / "site"


def hashes(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files_below(folder)}


def test_models_are_listed_with_what_was_measured(made: Path) -> None:
    listed = json.loads((made / "models.json").read_text(encoding="utf-8"))
    first, second = listed["models"]
    assert (first["quant"], second["quant"]) == ("Q4_K_M", "Q8_0")
    assert first["bytes"] == (made / first["file"]).stat().st_size == 1000
    assert first["sha256"] == sha256_file(made / first["file"])
    assert first["memory"] == {"threads": 50_001_000}
    assert first["quality"]["ja"]["kld_mean"] == 0.0123
    assert listed["sampling"]["repeat_penalty"] == 1.1
    assert (listed["charts"], listed["report"]) == (["bench/quality.svg"], "bench/report.html")
    assert listed["language"] == "ja"


def test_the_page_tells_what_its_model_was_made_of_and_under_which_licences(
    tmp_path: Path, context: Context, fake_inputs: Inputs, make_site: Callable[..., Any]
) -> None:
    changes = {
        "export.license": "cc-by-sa-4.0",
        "base": {"kind": "hub", "repo": "a/told-by-nobody"},
        "corpus.sources.0.name": "mine",
        "corpus.sources.0.format": "text",
        "corpus.sources.0.path": "texts",
        "corpus.sources.0.license": "<b>own</b>",
    }
    licences = told_licences(load_recipe("quickstart", changes))
    inputs = fake_inputs(tmp_path / "inputs")
    Origin("hub", "Smol", "a/smol", license="apache-2.0", license_from="its README.md").write(inputs["base"])
    (inputs["wasm"] / LLAMA_CPP_LICENSE).write_text("MIT License\n\nCopyright (c) The authors")
    make_site(inputs, tmp_path / "site", replace(context, licences=licences))
    page = (tmp_path / "site" / "about.html").read_text(encoding="utf-8")
    for row in (
        "<td>this model</td><td>cc-by-sa-4.0</td><td>the recipe</td>",
        "<td>its base “Smol” (a/smol)</td><td>apache-2.0</td><td>its README.md</td>",
        "<td>text “mine”</td><td>&lt;b&gt;own&lt;/b&gt;</td><td>the recipe</td>",
        "Copyright (c) The authors",
    ):
        assert row in page
    assert "made up by LiLM" in page and "told-by-nobody" not in page
    site = tmp_path / "site"
    assert '"about.html"' in (site / "service-worker.js").read_text() and 'href="about.html"' in (
        site / "index.html"
    ).read_text(encoding="utf-8")
    without = told_licences(load_recipe("quickstart", {**changes, "corpus.sources.0.license": ""}))
    make_site(inputs, tmp_path / "again", replace(context, licences=without))
    assert "<b>unknown: ask before you pass it on</b>" in (tmp_path / "again" / "about.html").read_text()


def test_figures_with_intervals_are_taken_for_the_very_file_that_they_are_of(
    tmp_path: Path, context: Context, fake_inputs: Inputs, make_site: Callable[..., Any]
) -> None:
    inputs = fake_inputs(tmp_path / "inputs")
    figures = {
        "bits_per_byte": {"value": 1.5},
        "kld_mean": {"value": 0.02, "se": 0.002, "ci95": [0.016, 0.024]},
        "same_top": {"value": 0.9},
    }
    texts = {lang: {"short": figures} for lang in ("ja", "en")}
    hashes = [sha256_file(inputs["export"] / "model-Q4_K_M.gguf"), "of another model-Q8_0.gguf"]
    model = {"languages": ["ja", "en"], "files": [{"sha256": one, "texts": texts} for one in hashes]}
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"models": [model]}), encoding="utf-8")
    make_site({**inputs, QUANT_REPORT: report}, tmp_path / "site", context)
    first, second = json.loads((tmp_path / "site" / "models.json").read_text(encoding="utf-8"))["models"]
    assert first["quality"]["ja"] == {
        **{"bits_per_byte": 1.5, "kld_mean": 0.02, "kld_se": 0.002, "kld_ci95": [0.016, 0.024]},
        "top1_agreement": 0.9,
    }
    assert second["quality"]["ja"]["kld_mean"] == 0.0123
    del texts["ja"]["short"]["bits_per_byte"]
    report.write_text(json.dumps({"models": [model]}), encoding="utf-8")
    with pytest.raises(LilmError, match="lacks figures that the page shows \\('bits_per_byte'\\)"):
        make_site({**inputs, QUANT_REPORT: report}, tmp_path / "other", context)


def test_a_new_measurement_makes_the_page_again(tmp_path: Path, context: Context, fake_inputs: Inputs) -> None:
    recipe = load_recipe("quickstart")
    inputs = fake_inputs(tmp_path)
    for name in ("base", "export", "wasm"):
        Manifest(name, "0", {}, {}, {}, (), {}).write(inputs[name])
    stage = stage_named("site")
    before = work_of(stage, recipe, tmp_path, context)
    assert before is not None and QUANT_REPORT not in before.inputs
    for content in ("{}", "[]"):
        (tmp_path / "quant").mkdir(exist_ok=True)
        (tmp_path / QUANT_REPORT).write_text(content)
        after = work_of(stage, recipe, tmp_path, context)
        assert after is not None and before is not None and after.key(stage) != before.key(stage)
        before = after


def test_the_same_inputs_make_the_same_bytes_over_any_leftovers(
    tmp_path: Path, context: Context, fake_inputs: Inputs, make_site: Callable[..., Any]
) -> None:
    inputs = fake_inputs(tmp_path / "inputs")
    make_site(inputs, tmp_path / "one", context)
    (tmp_path / "two" / "models").mkdir(parents=True)
    (tmp_path / "two" / "models" / "model-Q4_K_M.gguf").write_bytes(b"half")
    (tmp_path / "two" / "old.js").write_text("left over")
    make_site(inputs, tmp_path / "two", context)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_only_what_the_browser_needs_is_on_it(made: Path) -> None:
    names = set(hashes(made))
    assert {"index.html", "wasm/memory.json", "wasm/threads/lilm-core.wasm"} <= names
    assert not {"wasm/runtime/run_node.mjs", "wasm/report.json", "bench/speed.svg", "bench/manifest.json"} & names


def test_the_readmes_paths_are_those_of_a_site(site: Path) -> None:
    named = re.findall(r"`(site/[^` ]+)`", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert named and [path for path in named if not (site / path).exists()] == []


def test_a_model_that_was_not_exported_is_an_error(
    tmp_path: Path, context: Context, fake_inputs: Inputs, make_site: Callable[..., Any]
) -> None:
    with pytest.raises(LilmError, match=r"model-Q6_K\.gguf: was not exported"):
        make_site(fake_inputs(tmp_path), tmp_path / "site", context, quants=("Q6_K",))


def test_the_file_of_a_budget_is_on_it_under_its_own_name(
    tmp_path: Path, context: Context, fake_inputs: Inputs, make_site: Callable[..., Any]
) -> None:
    inputs = fake_inputs(tmp_path)
    files: list[dict[str, str]] = [{"name": "model-Q8_0.gguf", "quant": "Q8_0"}]
    (inputs["export"] / "report.json").write_text(json.dumps({"files": files}))
    with pytest.raises(LilmError, match=r"have \[export\] make mix"):
        make_site(inputs, tmp_path / "without", context, quants=("mix",))
    files.append({"name": "model-mix-100MB.gguf", "quant": "mix-100MB"})
    (inputs["export"] / "report.json").write_text(json.dumps({"files": files}))
    (inputs["export"] / "model-mix-100MB.gguf").write_bytes(b"GGUF" + bytes(96))
    make_site(inputs, tmp_path / "site", context, quants=("mix", "Q8_0"))
    models = json.loads((tmp_path / "site" / "models.json").read_text(encoding="utf-8"))["models"]
    assert [(model["quant"], model["file"]) for model in models] == [
        ("mix-100MB", "models/model-mix-100MB.gguf"),
        ("Q8_0", "models/model-Q8_0.gguf"),
    ]


def test_no_address_of_another_host(made: Path) -> None:
    for path in files_below(made):
        if path.suffix in (".html", ".js", ".css", ".svg"):
            text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.", text), path


def test_the_policy_allows_own_scripts_only(made: Path) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', (made / "index.html").read_text())
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert rules["style-src"] == "'self'"
    assert "unsafe-inline" not in policy[1]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.keys: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.ids.add(value)
            elif name in ("data-t", "data-label", "data-placeholder") and value:
                self.keys.add(value)
            elif name in ("href", "src") and value and not value.startswith("#"):
                self.links.add(value.split("#")[0])


def test_everything_the_page_names_is_there(made: Path) -> None:
    page = Page()
    page.feed((made / "index.html").read_text(encoding="utf-8"))
    scripts = {path.name: path.read_text(encoding="utf-8") for path in made.glob("*.js")}
    together = "\n".join(scripts.values())
    assert set(re.findall(r'\$\("([\w-]+)"\)', together)) <= page.ids
    imported = set(re.findall(r'from "\./([^"]+)"', together)) | page.links
    assert all((made / name).is_file() for name in imported), imported
    symbols = set(re.findall(r'id="(\w+)"', (made / "icons.svg").read_text()))
    assert set(re.findall(r'iconButton\("(\w+)"|icon\("(\w+)"\)', together)) - {("", "")} <= {
        pair for name in symbols for pair in ((name, ""), ("", name))
    }


def test_every_sentence_is_there_in_both_languages(made: Path) -> None:
    page = Page()
    page.feed((made / "index.html").read_text(encoding="utf-8"))
    texts = (made / "texts.js").read_text(encoding="utf-8")
    english, japanese = (set(re.findall(r"\b(\w+): \"", part)) for part in texts.split("const KEY")[0].split("ja: {"))
    used = set().union(*(re.findall(r'\bt\("(\w+)"', path.read_text(encoding="utf-8")) for path in made.glob("*.js")))
    assert english == japanese
    assert page.keys | used <= english
