"""`lilm bench quant` on a run folder made of a random model: figures, proof, controls, resuming, refusals."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tomlkit

from lilm.chat import CHAT_TEMPLATE
from lilm.cli.benchmarks import run_benchmark
from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.export.bench.stage import run as run_bench
from lilm.export.calibration import digest
from lilm.export.quality import file_measures
from lilm.export.quality.bench import measure
from lilm.export.quality.controls import make_controls
from lilm.export.quality.file_measures import FileMeasures
from lilm.export.quality.opened import Measured, open_run
from lilm.export.quality.page.advice import advise
from lilm.export.quality.plan import Plan
from lilm.export.quality.reference import Reference
from lilm.export.quality.speed import native_memory
from lilm.export.quality.texts import find_texts
from lilm.export.stage import run as run_export
from lilm.fit.known.devices import load_devices
from lilm.gguf_file import open_gguf
from lilm.llamacpp.engine import Engine, Score
from lilm.origin import Origin
from lilm.pipeline.artifact import Manifest, describe_outputs, read_manifest
from lilm.pipeline.hashing import sha256_file, write_json
from lilm.pipeline.stage import Context, stage_named
from lilm.pipeline.work import stage_config
from lilm.progress import Reporter
from lilm.recipe import BenchConfig, ExportConfig, load_recipe, recipe_text
from lilm.train.tokenizer.hf import write_tokenizer
from lilm.vocabulary.sentencepiece import read_proto

pytestmark = pytest.mark.usefixtures("one_torch_thread")

SPLITS = (range(300), range(300, 330))  # numbers of the documents: of training, held out
EXPORT = {"quants": ["Q8_0", "Q4_0"], "bits_per_weight": 6.5, "calibration_tokens": 1_000, "sensitivity_tokens": 256}
SMALL: dict[str, Any] = {"eval_tokens": 600, "generations": 6, "n_predict": 12, "skip": "speed,browser"}


def text(lang: str, number: int) -> str:
    if lang == "en":
        return f"The cat number {number} sat on the mat, and {number * 7 % 50} dogs sat by the door of the house."
    return f"むかしむかし、あるところに{number}人のおじいさんが住んでいて、{number * 3 % 40}回も公園へ行きました。"


CHAIN = ("corpus", "pack", "pretrain", "finetune", "export")  # each is made from the one before it


def seal(folder: Path, stage: str, config: dict[str, Any] | None = None) -> None:
    """Write the manifest, as of a stage that was made from what is there now."""
    before = read_manifest(folder.parent / CHAIN[CHAIN.index(stage) - 1]) if stage != "corpus" else None
    inputs = {before.stage: before.digest} if before is not None else {}
    Manifest(stage, "key", config or {}, inputs, describe_outputs(folder, ()), (), {}).write(folder)


def seal_all(run: Path) -> None:
    for name in CHAIN:
        seal(run / name, name)


def write_corpus(folder: Path, splits: tuple[range, range] = SPLITS) -> None:
    for lang in ("ja", "en"):
        for split, numbers in zip(("train", "heldout"), splits, strict=True):
            rows = [text(lang, number) for number in numbers]
            ids = [f"{lang}{number}" for number in numbers]
            frame = pl.DataFrame({"id": ids, "source": ["x"] * len(rows), "text": rows})
            write_documents(folder, lang, split, frame)  # type: ignore[arg-type]


def write_recipe(run: Path, export: dict[str, Any]) -> None:
    recipe: Any = tomlkit.parse(recipe_text("quickstart")).unwrap()
    recipe["export"], recipe["threads"] = export, 1
    recipe["site"]["quants"] = export["quants"][-1:]
    recipe["finetune"]["sources"][0]["limit"] = 20
    (run / "lilm.toml").write_text(tomlkit.dumps(recipe), encoding="utf-8")


@pytest.fixture(scope="module")
def run(random_model: Path, session_context: Context, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run up to its export: F16, two plain files, one for a budget, and a copy of one as learnt."""
    folder = tmp_path_factory.mktemp("quant") / "run"
    shutil.copytree(random_model, folder / "finetune")
    write_tokenizer(read_proto(folder / "finetune" / "tokenizer.model"), folder / "finetune", 256)
    (folder / "finetune" / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    (folder / "corpus").mkdir()
    write_corpus(folder / "corpus")
    for name in ("pack", "pretrain"):
        (folder / name).mkdir()
        (folder / name / "report.json").write_text("{}")
    write_recipe(folder, EXPORT)
    export = folder / "export"
    export.mkdir()
    inputs = {"finetune": folder / "finetune", "corpus": folder / "corpus"}
    run_export(ExportConfig.model_validate(EXPORT), inputs, export, session_context)
    report = json.loads((export / "report.json").read_text(encoding="utf-8"))
    shutil.copyfile(export / "model-Q4_0.gguf", export / "model-Q4_0-learned.gguf")
    report["files"].append({"name": "model-Q4_0-learned.gguf", "quant": "Q4_0-learned", "bits_per_weight": 5})
    report["files"][-1]["learned"] = {"blocks_exact": 1.0}
    write_json(export / "report.json", report)
    seal_all(folder)
    return folder


@pytest.fixture(scope="module")
def measured(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The figures, and the folder of results."""
    out = tmp_path_factory.mktemp("results")
    questions = out / "questions.jsonl"
    questions.write_text('{"turns": ["cat", "dog"]}\n', encoding="utf-8")
    tasks = out / "animals.json"
    asked = {"question": "猫はどこ？", "choice0": "マットの上", "choice1": "ドア", "label": 0}
    tasks.write_text("".join(json.dumps({**asked, "label": at % 2}) + "\n" for at in range(4)), encoding="utf-8")
    options = {**SMALL, "controls": True, "questions": questions, "tasks": str(tasks), "limit": 3, "out": out}
    return run_benchmark("quant", Reporter(quiet=True), runs=[run], **options), out


def rows(figures: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["quant"]: row for row in figures["models"][0]["files"]}


def test_each_file_has_its_figures(measured: tuple[dict[str, Any], Path], run: Path) -> None:
    found = rows(measured[0])
    own = ["F16", "Q8_0", "Q4_0", "mix-6.5bpw", "Q4_0-learned"]
    assert list(found)[:5] == own
    assert [found[name]["method"] for name in own] == ["reference", "stock", "stock", "search", "learnt"]
    full = found["F16"]
    assert full["kld_ja"] is None and full["same_top"] is None and full["bpb_en"] > 0
    assert 0 < found["Q8_0"]["kld_ja"] < found["mix-6.5bpw"]["kld_ja"] < found["Q4_0"]["kld_ja"]
    for name in own[1:]:
        one = found[name]
        assert one["kld_ja"] < one["kld_p99"] <= one["kld_p999"]
        assert one["kld_se"] > 0 and one["kld_en"] > 0 and one["kld_chat"] > 0
        assert 0 < one["same_top"] <= 1
        assert one["bpb_ja"] == pytest.approx(full["bpb_ja"], rel=0.2)
        low, high = one["texts"]["ja"]["short"]["kld_mean"]["ci95"]
        assert low < one["kld_ja"] < high
        assert one["mb"] == pytest.approx((run / "export" / one["name"]).stat().st_size / 1e6, abs=1e-3)
        assert 0 <= one["loops"] <= 1 and 0 <= one["wrong_language"] <= 1 and 0 <= one["broken"] <= 1
        assert one["prefill"] is None and one["wasm_decode"] is None
    written = json.loads((measured[1] / "report.json").read_text(encoding="utf-8"))
    assert rows(written) == found
    assert (measured[0]["size_bytes_off"], measured[0]["blocks_exact"], measured[0]["fit_error"]) == (0, 1.0, None)


def test_multiple_choice_is_told_beside_f16_s(measured: tuple[dict[str, Any], Path]) -> None:
    found = rows(measured[0])
    full, small = found["F16"]["choices"]["animals"], found["Q4_0"]["choices"]["animals"]
    assert full["questions"] == 3 and full["accuracy"]["count"] in (1, 2), "the first three: two of one label"
    assert (full["lost"], full["won"], full["change"]["value"]) == (0, 0, 0)
    assert small["margin"]["value"] - full["margin"]["value"] == pytest.approx(small["margin_change"]["value"])
    assert found["Q4_0 + imatrix"]["choices"] is None, "nobody ships a control"
    page = (measured[1] / "report.html").read_text(encoding="utf-8")
    assert "Multiple choice" in page and "3 questions, acc_norm" in page


def test_the_memory_that_is_reckoned_is_held_against_what_a_file_takes(run: Path) -> None:
    found = native_memory(run / "export" / "model-Q8_0.gguf", 1)
    added = found["measured"] - found["base"]
    assert added > (run / "export" / "model-Q8_0.gguf").stat().st_size / 2
    assert found["error"] == pytest.approx((found["reckoned"] - added) / added, abs=1e-3)


def test_a_mean_is_what_single_windows_say(measured: tuple[dict[str, Any], Path], run: Path) -> None:
    from lilm.export.quality.passages import ordered, short_passages

    full, file = run / "export" / "model-f16.gguf", run / "export" / "model-Q4_0.gguf"
    total, count = 0.0, 0
    with Engine(file, n_ctx=256, threads=1, reference=full) as engine:
        texts = ordered(text("ja", number) for number in SPLITS[1])
        passages = short_passages("ja", texts, lambda one: engine.tokenize(one, add_bos=False), engine.bos_id, 600)
        for window in passages.windows:
            kld = engine.score(window.ids).kld
            assert kld is not None
            total, count = total + float(kld.sum()), count + len(kld)
    assert count >= 600
    assert rows(measured[0])["Q4_0"]["kld_ja"] == pytest.approx(total / count, rel=1e-6)


def test_files_are_held_against_each_other_on_the_same_text(measured: tuple[dict[str, Any], Path]) -> None:
    pairs = {(one["file"], one["other"]): one for one in measured[0]["models"][0]["pairs"]}
    found = rows(measured[0])
    worse = pairs["Q8_0", "Q4_0"]["ja short"]
    assert worse["value"] == pytest.approx(found["Q8_0"]["kld_ja"] - found["Q4_0"]["kld_ja"], abs=1e-7)
    assert worse["ci95"][1] < 0
    same = pairs["Q4_0", "Q4_0-learned"]["en short"]
    assert (same["value"], same["se"], same["ratio"]) == (0, 0, 1)


def test_controls_have_the_bytes_of_what_they_are_compared_with(measured: tuple[dict[str, Any], Path]) -> None:
    found = rows(measured[0])
    assert found["Q4_0 + imatrix"]["mb"] == found["Q4_0"]["mb"]
    assert found["IQ4_NL + imatrix"]["mb"] == found["IQ4_NL"]["mb"]
    assert found["IQ4_NL"]["control"] and not found["Q4_0"]["control"]
    assert found["Q4_0 + imatrix"]["sha256"] != found["Q4_0"]["sha256"]
    mix = found["mix-6.5bpw"]
    for method in ("by error", "by chance"):
        assert 0.97 * mix["mb"] < found[f"mix-6.5bpw {method}"]["mb"] <= mix["mb"]
    ratios = measured[0]["ratios"]
    assert ratios["search_vs_random"] == pytest.approx(
        mix["kld_ja"] / found["mix-6.5bpw by chance"]["kld_ja"], abs=1e-4
    )
    learnt = found["Q4_0-learned"]["kld_ja"] / found["Q4_0 + imatrix"]["kld_ja"]
    assert ratios["q4_0_learnt_vs_imatrix"] == pytest.approx(learnt, abs=1e-4)
    assert ratios["three_bit_vs_q3"] is None and ratios["smollm2_49_vs_637"] is None


def test_a_run_without_a_budget_has_its_importance_collected_on_text_of_its_own(run: Path, tmp_path: Path) -> None:
    plain = tmp_path / "run"
    shutil.copytree(run, plain)
    shutil.rmtree(plain / "export" / "calibration")
    report = json.loads((plain / "export" / "report.json").read_text(encoding="utf-8"))
    report["files"] = [row for row in report["files"] if row["quant"] in ("F16", "Q4_0")]
    write_json(plain / "export" / "report.json", {key: report[key] for key in ("parameters", "files")})
    opened = open_run(plain, tmp_path, Reporter(quiet=True))
    made = make_controls(opened, tmp_path / "files", Reporter(quiet=True))
    assert [file.quant for file in made.files] == [
        *("Q4_K_M", "Q4_K_M + imatrix", "Q4_0 + imatrix", "IQ4_NL", "IQ4_NL + imatrix")
    ]
    assert set(made.missing) == {"by error", "by chance"}
    train = {digest(text(lang, number)) for lang in ("ja", "en") for number in SPLITS[0]}
    assert made.imatrix_documents and set(made.imatrix_documents) <= train
    again = make_controls(opened, tmp_path / "files", Reporter(quiet=True))
    assert again == made


def test_the_text_and_the_proof_are_in_the_report(measured: tuple[dict[str, Any], Path]) -> None:
    model = measured[0]["models"][0]
    assert model["measured_on"]["ja"]["short"]["tokens"] >= 600
    assert model["measured_on"]["ja"]["short"]["missing_tokens"] == 0
    assert "en long" in model["not_measured_on"]
    assert model["chats_read_by"]["training"] is False
    apart = model["apart"]
    assert apart["overlap"] == 0
    assert apart["read"]["training"]["documents"] == 600
    assert set(apart["read"]) == {"training", "imatrix", "sensitivity"}
    assert 2 <= apart["measured"]["ja"]["documents"] <= 30


def test_answers_and_free_texts_lie_beside_the_report(measured: tuple[dict[str, Any], Path]) -> None:
    figures, out = measured
    answers = [json.loads(line) for line in (out / "answers" / "model-Q4_0.jsonl").read_text().splitlines()]
    assert [len(one["answers"]) for one in answers] == [2]
    assert rows(figures)["Q4_0"]["answers"]["file"] == "answers/model-Q4_0.jsonl"
    texts = [json.loads(line) for line in (out / "written" / "model-Q4_0.jsonl").read_text().splitlines()]
    assert [one["kind"] for one in texts] == ["ja", "en", "chat"] * 2


def test_the_page_is_of_the_run(measured: tuple[dict[str, Any], Path], run: Path) -> None:
    model, page = measured[0]["models"][0], (measured[1] / "report.html").read_text(encoding="utf-8")
    devices = {row["device"] for row in model["fits"]["devices"]}
    assert devices == set(load_devices())
    assert model["fits"]["n_ctx"] == 256  # trained for no more
    kinds = {one.kind for one in advise(model)}
    assert len(kinds) == 7 and all(f"<h3>{kind}</h3>" in page for kind in kinds)
    found = rows(measured[0])
    rise = found["Q4_0"]["texts"]["ja"]["short"]["more_bits"]["value"]
    assert rise == pytest.approx(found["Q4_0"]["bpb_ja"] / found["F16"]["bpb_ja"] - 1, abs=1e-6)
    assert found["Q4_0"]["matrices"]["attn_q"]["types"] == ["Q4_0"] * 3
    assert found["Q4_0"]["matrices"]["token_embd"]["bits"] == [4.5]
    assert [one["kind"] for one in model["samples"]] == ["ja", "ja", "en", "en", "chat", "chat"]
    assert set(model["samples"][0]["texts"]) == {"F16", "Q8_0", "Q4_0", "mix-6.5bpw", "Q4_0-learned"}


def test_answers_to_questions_that_training_left_are_judged(run: Path) -> None:
    options = {"inputs": 1, "injections": 1, "generations": 4, "skip": "node,chromium,crowd"}
    (found,) = run_benchmark("chat", Reporter(quiet=True), runs=[run], **options)["answers"]
    assert found["file"] == "model-Q4_0.gguf" and found["held_out"] and found["answers"] == 4
    for name in ("ends_by_eos", "in_language", "loops"):
        assert found[name]["of"] == 4 and 0 <= found[name]["value"] <= 1
    with pytest.raises(LilmError, match="no such folder"):
        run_benchmark("chat", Reporter(quiet=True), runs=[run / "nowhere"], **options)


def test_what_was_measured_is_not_measured_again(
    measured: tuple[dict[str, Any], Path], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures, out = measured
    (out / "kept" / "model-Q8_0.scores.json").unlink()
    scored = []
    score = file_measures.score

    def see(engine: Engine, *rest: Any) -> Any:
        scored.append(engine.model.name)
        return score(engine, *rest)

    monkeypatch.setattr(file_measures, "score", see)
    monkeypatch.setattr(file_measures, "write", None)
    monkeypatch.setattr(file_measures, "ask_choices", None)
    asked = {"questions": out / "questions.jsonl", "tasks": str(out / "animals.json"), "limit": 3}
    again = measure(Reporter(quiet=True), [run], out=out, **{**SMALL, "controls": True, **asked})
    assert set(scored) == {"model-Q8_0.gguf"}
    assert again["models"] == figures["models"]


@pytest.fixture
def kept(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FileMeasures, Measured]:
    """Measures with a page, all kept of one file; what takes long is not really done."""
    quick = tmp_path / "run"
    shutil.copytree(run, quick)
    (quick / "wasm").mkdir()
    (quick / "wasm" / "lilm-core.wasm").write_bytes(b"one")
    for name in ("native_speed", "native_memory", "page_speed"):
        monkeypatch.setattr(file_measures, name, lambda *_: {"figure": 1})
    plan = Plan(eval_tokens=100, generations=1, n_predict=2)
    opened = open_run(quick, tmp_path, Reporter(quiet=True))
    texts = find_texts(opened, plan, lambda _: None)
    reference = Reference(opened.full, tmp_path / "kept", texts.passages, 1)
    measures = FileMeasures(opened, texts, plan, [], [], tmp_path, "", reference)
    measures.measure(opened.files[0], lambda *_: None)
    assert measures.left(opened.files[0]) == 0
    return measures, opened.files[0]


def test_speeds_are_measured_again_on_another_machine(
    kept: tuple[FileMeasures, Measured], monkeypatch: pytest.MonkeyPatch
) -> None:
    measures, file = kept
    all_three = file_measures.SPEED + file_measures.N_CTX + file_measures.PAGE
    with monkeypatch.context() as other:
        other.setattr(file_measures, "processor", lambda: "another")
        assert measures.left(file) == all_three
    with monkeypatch.context() as other:
        other.setattr(file_measures, "llama_cpp_python_version", lambda: "0.0.1")
        assert measures.left(file) == all_three
    (measures.run.folder / "wasm" / "lilm-core.wasm").write_bytes(b"two")
    assert dataclasses.replace(measures).left(file) == file_measures.PAGE, "another build of the same size"


def test_free_texts_are_written_again_for_another_context_or_script(kept: tuple[FileMeasures, Measured]) -> None:
    measures, file = kept
    for change in ({"n_ctx": 128}, {"scripts": {"ja": "", "en": ""}}):
        other = dataclasses.replace(measures, texts=dataclasses.replace(measures.texts, **change))  # type: ignore[arg-type]
        assert other.left(file) == file_measures.GENERATED * measures.n_predict


def test_a_short_context_has_short_beginnings(run: Path, tmp_path: Path) -> None:
    options = {**SMALL, "eval_tokens": 100, "generations": 3, "n_predict": 0, "n_ctx": 16}
    found = rows(measure(Reporter(quiet=True), [run], out=tmp_path, **options))
    assert found["Q4_0"]["written"]["loops"]["of"] == 3
    assert set(found["Q4_0"]["written"]["by_kind"]) >= {"ja", "en"}


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
