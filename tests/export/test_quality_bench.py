"""`lilm bench quant` on a run folder made of a random model: figures, proof, controls, resuming, refusals."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lilm.cli.benchmarks import run_benchmark
from lilm.errors import LilmError
from lilm.export.calibration import digest
from lilm.export.quality import file_measures, speed
from lilm.export.quality.bench import measure
from lilm.export.quality.controls import make_controls
from lilm.export.quality.file_measures import FileMeasures
from lilm.export.quality.opened import Measured, open_run
from lilm.export.quality.page.advice import advise
from lilm.export.quality.plan import Plan
from lilm.export.quality.reference import Reference
from lilm.export.quality.texts import find_texts
from lilm.fit.known.devices import load_devices
from lilm.llamacpp.engine import Engine
from lilm.pipeline.hashing import write_json
from lilm.pipeline.stage import Context
from lilm.progress import Reporter
from tests.export.quality_run import SMALL, SPLITS, make_run, rows, text

pytestmark = pytest.mark.usefixtures("one_torch_thread")


@pytest.fixture(scope="module")
def run(random_model: Path, session_context: Context, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("quant") / "run", random_model, session_context)


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
    found = speed.native_memory(run / "export" / "model-Q8_0.gguf", 1)
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
    by_language = [found[f"Q4_K_M + imatrix{lang}"] for lang in ("", " ja", " en")]
    assert {one["mb"] for one in by_language} == {found["Q4_K_M"]["mb"]}
    assert len({one["sha256"] for one in (found["Q4_K_M"], *by_language)}) == 4, "each rounds otherwise"
    mix = found["mix-6.5bpw"]
    for method in ("by error", "by relative error", "by chance"):
        assert 0.97 * mix["mb"] < found[f"mix-6.5bpw {method}"]["mb"] <= mix["mb"]
    ratios = measured[0]["ratios"]
    assert ratios["search_vs_random"] == pytest.approx(
        mix["kld_ja"] / found["mix-6.5bpw by chance"]["kld_ja"], abs=1e-4
    )
    learnt = found["Q4_0-learned"]["kld_ja"] / found["Q4_K_M + imatrix"]["kld_ja"]
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
        *("Q4_K_M", "Q4_K_M + imatrix", "Q4_K_M + imatrix ja", "Q4_K_M + imatrix en"),
        *("Q4_0 + imatrix", "IQ4_NL", "IQ4_NL + imatrix"),
    ]
    assert set(made.missing) == {"by error", "by relative error", "by chance"}
    train = {digest(text(lang, number)) for lang in ("ja", "en") for number in SPLITS[0]}
    assert made.imatrix_documents and set(made.imatrix_documents) <= train
    again = make_controls(opened, tmp_path / "files", Reporter(quiet=True))
    assert again == made
    wanted = {"calibration_tokens": 3 * opened.recipe.export.calibration_tokens}
    recipe = opened.recipe.model_copy(update={"export": opened.recipe.export.model_copy(update=wanted)})
    more = make_controls(dataclasses.replace(opened, recipe=recipe), tmp_path / "files", Reporter(quiet=True))
    assert len(more.imatrix_documents) > 2 * len(made.imatrix_documents)


def test_the_text_and_the_proof_are_in_the_report(measured: tuple[dict[str, Any], Path]) -> None:
    model = measured[0]["models"][0]
    assert model["measured_on"]["ja"]["short"]["tokens"] >= 600
    assert model["measured_on"]["ja"]["short"]["missing_tokens"] == 0
    assert "en long" in model["not_measured_on"]
    assert model["chats_read_by"]["training"] is False
    apart = model["apart"]
    assert apart["overlap"] == 0
    assert apart["read"]["training"]["documents"] == 600
    assert set(apart["read"]) == {"training", "imatrix", "sensitivity", "importance of the controls"}
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
    for name in ("ends_by_eos", "loops"):
        assert found[name]["of"] == 4 and 0 <= found[name]["value"] <= 1
    told = found["in_language"]  # of a random model's few letters a script may tell nothing
    assert told is None or (0 < told["of"] <= 4 and 0 <= told["value"] <= 1)
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


@pytest.mark.parametrize(("enough", "launches"), [(0.0, 1), (1e9, 3)])
def test_a_slow_file_is_measured_once(
    enough: float, launches: int, random_export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    class Counted(Engine):
        def __init__(self, model: Path, **options: Any) -> None:
            begun.append(model)
            super().__init__(model, **options)

    monkeypatch.setattr(speed, "Engine", Counted)
    monkeypatch.setattr(speed, "ENOUGH", enough)
    monkeypatch.setattr(speed, "PROMPT", 8)
    found = speed.native_speed(random_export / "model-Q4_0.gguf", threads=1)
    assert len(begun) == launches and found["prefill"] > 0


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
        assert measures.left(file) == sum(part.cost for part in measures.parts(file)), "all of it, by another llama.cpp"
    (measures.run.folder / "wasm" / "lilm-core.wasm").write_bytes(b"two")
    assert dataclasses.replace(measures).left(file) == file_measures.PAGE, "another build of the same size"


def test_what_is_kept_and_cannot_be_read_is_measured_again(kept: tuple[FileMeasures, Measured]) -> None:
    measures, file = kept
    for spoilt in (b"", b"[1]", b'{"value": 1}', b"\xff"):
        for path in (measures.out / "kept").glob("*.speed.json"):
            path.write_bytes(spoilt)
        assert measures.left(file) == file_measures.SPEED


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
