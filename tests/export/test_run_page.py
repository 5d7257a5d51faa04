"""RUN/report.html: says what a run came to, in words that its figures bear out, for as much as is done."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from rich.console import Console

from lilm.cli.report import find_pages
from lilm.errors import LilmError
from lilm.export.bench.summary import show_summary
from lilm.export.run_page.collect import read_run
from lilm.export.run_page.page import run_page, write_run_page
from lilm.export.run_page.quality import base_language_sentence, quality_rows, shipped
from lilm.pipeline.artifact import read_manifest
from lilm.recipe import recipe_text
from tests.export.made_report import report, row

EVIL = "<script>alert(1)</script>"


def figures(en: float, kld: float | None = None, ja: float = 1.0, se: float | None = 0.002) -> dict[str, Any]:
    """se: of the rise of English over the base's 2.0 bits."""
    rise = {"rise": en / 2.0 - 1}
    rise |= {name: None if se is None else rise["rise"] + sign * 2 * se for name, sign in ENDS}  # type: ignore[dict-item]
    return {"ja": {"bits_per_byte": ja, "kld_mean": kld}, "en": {"bits_per_byte": en, "kld_mean": kld, **rise}}


ENDS = (("rise_low", -1), ("rise_high", 1))


def step(name: str, en: float, ja: float, se: float | None = 0.002) -> dict[str, Any]:
    quality = figures(en, None, ja, se)
    return {"step": name, "quality": {lang: {**quality[lang], "window": 300} for lang in quality}}


def file(quant: str, size: int, ja: float, en: float, kld: float | None) -> dict[str, Any]:
    samples = [
        {"kind": "text", "prompt": "海の近くに、", "text": "家があった。"},
        {"kind": "chat", "prompt": "こんにちは。", "text": f"{quant} {EVIL}"},
    ]
    quality = figures(en, kld, ja)
    return {"name": f"model-{quant}.gguf", "quant": quant, "bytes": size, "quality": quality, "samples": samples}


REPORTS: dict[str, dict[str, Any]] = {
    "corpus": {
        "sources": {"mine": {"normalised": {"documents": 1000}, "written": {"documents": 900}}},
        "languages": {"ja": {"heldout": {"documents": 20}}, "en": {"heldout": {"documents": 10}}},
        "drops": {"min_chars": {"documents": 30}, "exact_duplicate": {"documents": 70}},
        "bad": {"mine": {"records": 50, "bad": 2}},
    },
    "tokenizer": {"pieces_added": 1500, "ja": {"base_chars_per_token": 0.5, "merged_chars_per_token": 1.5}},
    "pretrain": {
        "before": {"bits_per_byte_ja": 2.5, "bits_per_byte_en": 1.5},
        "after": {"bits_per_byte_ja": 1.75, "bits_per_byte_en": 1.56},
    },
    "finetune": {"chats": 4000, "first_loss": 3.0, "final_loss": 1.25},
    "export": {"files": [{"quant": "F16", "bytes": 6_000_000}]},
    "bench": {
        "n_ctx": 256,
        "measured_on": {"ja": {"tokens": 6000, "documents": 70}, "en": {"tokens": 5000, "documents": 60}},
        "steps": [step("base", 2.0, 2.5), step("pretrain", 2.06, 1.75)],
        "files": [
            file("F16", 6_000_000, 1.0, 2.0, None),
            file("Q8_0", 3_000_000, 1.001, 2.001, 0.001),
            file("Q4_K_M", 2_000_000, 1.003, 2.004, 0.01),
            file("Q4_0", 1_900_000, 1.03, 2.02, 0.1),
        ],
    },
}


def stage(run: Path, name: str, report: Any, *outputs: str) -> None:
    """outputs: names of files, whose hashes are their names too."""
    folder = run / name
    folder.mkdir(parents=True, exist_ok=True)
    export = read_manifest(run / "export")
    inputs = {"export": export.digest} if name == "bench" and export is not None else {}
    manifest = {"stage": name, "key": "k", "config": {}, "inputs": inputs, "outputs": {}, "volatile": []}
    manifest["outputs"] = {one: {"bytes": 1_000_000, "mtime_ns": 1, "sha256": one} for one in outputs or (name,)}
    measured = {"seconds": 60.0, "tokens": {"ja-train": 9000, "en-train": 800, "en-heldout": 1500}}
    (folder / "manifest.json").write_text(json.dumps({**manifest, "measurements": measured}))
    if report is not None:
        (folder / "report.json").write_text(json.dumps(report))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    for name in ("corpus", "base", "tokenizer", "pack", "pretrain", "finetune", "export", "bench"):
        stage(folder, name, REPORTS.get(name))
    title = f'title = "猫 & {EVIL}"'
    (folder / "lilm.toml").write_text(recipe_text("quickstart").replace('title = "LiLM quickstart"', title))
    (folder / "corpus" / "report.html").write_text("")
    return folder


def words(page: str) -> str:
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())


def test_the_page_of_a_run(run: Path) -> None:
    path = write_run_page(run)
    page = path.read_text(encoding="utf-8")
    said = words(page)
    assert path == run / "report.html" == find_pages(run)[0]
    assert EVIL not in page and "猫 &amp; &lt;script&gt;" in page
    assert not re.search(r'(?:src|href)="(?!corpus/report\.html")', page), (
        "it needs nothing, and links to what is there"
    )
    assert "8 of 10 stages done, 8:00 of work, 8.00 MB on the disk" in said
    assert "1,000 parts of text, 100 dropped (10.0 %); 30 held out" in said
    assert "exact_duplicate 70, min_chars 30. Left out as broken: 2." in said
    assert "1,500 pieces added: a token holds 1.50 characters of Japanese, it was 0.50" in said
    assert "the base 2.500 2.000 –" in said and "after pretraining 1.750 2.060 –" in said
    assert "1.560" not in said, "pretraining's own figures are of other text"
    assert "6,000 tokens of 70 documents in Japanese, 5,000 tokens of 60 documents in English" in said
    assert "as much as its context does (at most 300 in Japanese, 300 in English)" in said
    assert "after chats (F16) 1.000 2.000 6.0" in said and "Q4_0 1.030 2.020 1.9 0.100 0.100" in said
    assert said.index("Q4_K_M &lt;script&gt;") < said.index("家があった"), "chats first, of the file to ship"
    assert "site not done" in said


def test_what_was_lost_of_the_new_language_is_not_hidden_by_much_english(run: Path) -> None:
    sources = {
        "stories-ja": {"normalised": {"documents": 40}, "written": {"documents": 3}},
        "stories-en": {"normalised": {"documents": 4000}, "written": {"documents": 3990}},
    }
    stage(run, "corpus", {**REPORTS["corpus"], "sources": sources})
    said = words(write_run_page(run).read_text(encoding="utf-8"))
    assert "4,040 parts of text, 47 dropped (1.16 %), of Japanese 37 of 40; 30 held out" in said


def test_the_file_to_ship_is_the_smallest_that_keeps_the_bound(run: Path) -> None:
    [one], _ = shipped(read_run(run))
    assert (one.file, one.device) == ("model-Q4_K_M.gguf", "")
    assert "2.00 MB: the smallest that keeps the bound (Japanese +0.30%, English +0.20% bits per byte)" in one.why
    assert "Q4_0, 1.90 MB, has Japanese +3.00%, English +1.00%" in one.why


def bench_report(en: float, se: float | None = 0.0005, tokens: int = 5000) -> dict[str, Any]:
    """Of a base of 2.0 bits in English, and F16 and Q4_K_M of `en`."""
    files = [file(quant, size, 1.0, en, None) for quant, size in (("F16", 6_000_000), ("Q4_K_M", 2_000_000))]
    for one in files:
        one["quality"] = figures(en, None, 1.0, se)
    steps = [step("base", 2.0, 2.5), step("pretrain", (2.0 + en) / 2, 1.75)]
    measured = {lang: {"tokens": tokens, "documents": 60} for lang in ("ja", "en")}
    return {"n_ctx": 256, "measured_on": measured, "steps": steps, "files": files}


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            bench_report(1.9),
            "English did not suffer: 5.00 % fewer bits per byte of the same text at the end than at the beginning "
            "(95% interval by documents: -5.10% to -4.90%): "
            "the base 2.000 → after pretraining 1.950 → after chats (F16) 1.900 → Q4_K_M 1.900.",
        ),
        (
            bench_report(2.02),
            "English hardly suffered: 1.00 % more bits per byte of the same text at the end than at the beginning "
            "(95% interval by documents: +0.90% to +1.10%): "
            "the base 2.000 → after pretraining 2.010 → after chats (F16) 2.020 → Q4_K_M 2.020.",
        ),
        (
            bench_report(2.2),
            "English suffered: 10.0 % more bits per byte of the same text at the end than at the beginning "
            "(95% interval by documents: +9.90% to +10.10%): "
            "the base 2.000 → after pretraining 2.100 → after chats (F16) 2.200 → Q4_K_M 2.200. More replay helps.",
        ),
    ],
)
def test_did_english_suffer_on_the_whole_way(run: Path, report: dict[str, Any], expected: str) -> None:
    stage(run, "bench", report)
    assert base_language_sentence(read_run(run)) == expected


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (bench_report(2.004, 0.002), "So much text leaves open that it did not suffer."),
        (bench_report(2.004, 0.02), "So much text leaves open that it did not suffer or that it suffered."),
        (bench_report(2.004, None), "It was measured on too few documents to be sure."),
        (bench_report(2.004, tokens=1500), "Only 1,500 tokens of it were measured: that is too little to be sure."),
    ],
)
def test_how_sure_it_is_that_english_did_not_suffer(run: Path, report: dict[str, Any], expected: str) -> None:
    stage(run, "bench", report)
    sentence = base_language_sentence(read_run(run))
    assert sentence.startswith("English hardly suffered: 0.20 % more") and sentence.endswith(expected)


def test_rows_of_two_texts_never_stand_in_one_table(run: Path) -> None:
    old = {name: value for name, value in REPORTS["bench"].items() if name != "steps"}
    stage(run, "bench", old)
    assert [row.label for row in quality_rows(read_run(run))] == ["after chats (F16)", "Q8_0", "Q4_K_M", "Q4_0"]
    assert base_language_sentence(read_run(run)) == "", "an older LiLM's bench did not measure the base"
    (run / "bench" / "manifest.json").unlink()
    found = read_run(run)
    assert [(row.label, row.bits["en"]) for row in quality_rows(found)] == [
        ("the base", 1.5),
        ("after pretraining", 1.56),
    ]
    sentence = base_language_sentence(found)
    assert sentence.startswith("English suffered: 4.00 % more bits per byte of the same text") and "bench" in sentence
    assert "Both rows on one text, as pretraining measured them" in words(run_page(found))


def test_a_model_that_pretraining_did_not_train_is_not_called_pretrained(run: Path) -> None:
    recipe = tomlkit.parse((run / "lilm.toml").read_text(encoding="utf-8")).unwrap()
    for number in ("stage1", "stage2"):
        recipe["pretrain"][number]["steps"] = 0
    (run / "lilm.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")
    assert [row.label for row in quality_rows(read_run(run))][:2] == ["the base", "with the new pieces, not trained"]


@pytest.mark.parametrize(
    "report",
    [None, {}, {"files": "x", "before": [], "sources": 3, "drops": [1], "bad": None, "steps": [1, {"step": ["base"]}]}],
)
def test_what_is_missing_or_odd_is_left_out(tmp_path: Path, report: Any) -> None:
    folder = tmp_path / "run"
    for name in ("corpus", "base", "tokenizer", "pack", "pretrain", "finetune", "export", "bench", "wasm", "site"):
        stage(folder, name, report)
    (folder / "lilm.toml").write_text(recipe_text("quickstart"))
    said = words(run_page(read_run(folder)))
    assert "10 of 10 stages done" in said and "Which file to ship" not in said


def test_figures_of_other_files_than_the_export_has_now_are_left_out(run: Path) -> None:
    names = ("model-f16.gguf", "model-Q8_0.gguf", "model-Q4_0.gguf")
    own = [row(one, 10.0) for one in ("F16", "Q8_0", "Q4_0")]
    rows = [{**one, "sha256": name} for one, name in zip(own, names, strict=True)]
    control = row("IQ4_NL", 9.0, control=True)
    (run / "quant").mkdir()
    (run / "quant" / "report.json").write_text(json.dumps({"models": [report([*rows, control])]}))
    stage(run, "export", REPORTS["export"], *names)
    stage(run, "bench", REPORTS["bench"])
    found = read_run(run)
    assert found.quant is not None and "after chats (F16) 1.000" in words(run_page(found))
    stage(run, "export", REPORTS["export"], "model-f16.gguf", "model-Q8_0.gguf", "model-mix-80MB.gguf")
    found = read_run(run)
    assert found.quant is None, "one file is gone, and one was not measured"
    said = words(run_page(found))
    assert "after chats (F16)" not in said and "Which file to ship" not in said
    console = Console(width=200, record=True, file=io.StringIO())
    show_summary(run, run / "report.html", console)
    assert "Q4" not in console.export_text()
    stage(run, "export", REPORTS["export"], *names[:2], "model-Q4_0-00001-of-00002.gguf")
    assert read_run(run).quant is None


def test_no_run_no_page(tmp_path: Path) -> None:
    (tmp_path / "lilm.toml").write_text(recipe_text("quickstart"))
    with pytest.raises(LilmError, match="no stage is done"):
        write_run_page(tmp_path)
    with pytest.raises(LilmError, match="no report in it"):
        find_pages(tmp_path)


def test_a_stage_that_this_recipe_would_make_anew_is_said_to_be_out_of_date(run: Path) -> None:
    assert read_run(run).outdated == {} and "Out of date" not in words(run_page(read_run(run)))
    recipe = (run / "lilm.toml").read_text(encoding="utf-8")
    for name, inputs in (("pretrain", ()), ("finetune", ("pretrain",)), ("export", ("finetune",))):
        path = run / name / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        manifest["inputs"] = {one: read_manifest(run / one).digest for one in inputs}  # type: ignore[union-attr]
        manifest["config"] = {"seed": 0}
        path.write_text(json.dumps(manifest), encoding="utf-8")
    stage(run, "bench", REPORTS["bench"])
    assert read_run(run).outdated == {}
    stage(run, "pretrain", REPORTS["pretrain"], "another model")
    found = read_run(run).outdated
    assert found == {
        "finetune": "made from another pretrain",
        "export": "finetune is out of date",
        "bench": "export is out of date",
    }
    said = words(run_page(read_run(run)))
    assert "Out of date: finetune, export, bench." in said and "out of date (made from another pretrain): 4,000" in said
    (run / "lilm.toml").write_text(recipe.replace("seed = 0", "seed = 1"), encoding="utf-8")
    assert read_run(run).outdated["finetune"] == "seed is 1, it was 0"


def test_a_page_of_other_files_is_linked_as_such(run: Path) -> None:
    (run / "quant").mkdir()
    (run / "quant" / "report.html").write_text("")
    said = words(run_page(read_run(run)))
    assert "quant/report.html : what each file is worth: of other files than the export has now" in said
