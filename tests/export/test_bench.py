"""The bench stage: figures, report, page."""

import json
import math
import re
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from rich.console import Console

import lilm.pipeline.runner as runner
from lilm.cli.benchmarks import run_benchmark
from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.export.bench.excerpts import choose
from lilm.export.bench.measure import clustered_error, equal_tokens, rise, summarise
from lilm.export.bench.stage import run
from lilm.export.bench.steps import windows_of
from lilm.export.bench.table import quality_table
from lilm.llamacpp.engine import Score
from lilm.pipeline.artifact import Artifact
from lilm.pipeline.hashing import sha256_file
from lilm.pipeline.stage import Context, Stage
from lilm.progress import Reporter
from lilm.recipe import BenchConfig
from lilm.vocabulary.pieces import open_pieces

CONFIG = BenchConfig(eval_tokens=400, n_ctx=64, prompts=("The cat <b>", "きょうは"), n_predict=6)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    texts = {
        "en": [f"The cat number {i} sat on the mat, and the dog sat by the door." for i in range(40)],
        "ja": [f"むかしむかし、{i}人のおじいさんが公園へ行って遊びました。" for i in range(40)],
    }
    for lang, rows in texts.items():
        ids = [f"{lang}{i}" for i in range(len(rows))]
        write_documents(folder, lang, "heldout", pl.DataFrame({"id": ids, "source": ["x"] * len(rows), "text": rows}))
    return folder


@pytest.fixture(scope="module")
def models(random_base: Path, random_model: Path, random_export: Path) -> dict[str, Path]:
    """What was exported is the pretrained model itself, as in a run without chats."""
    return {"base": random_base, "pretrain": random_model, "export": random_export}


@pytest.fixture(scope="module")
def bench(
    models: dict[str, Path], corpus: Path, session_context: Context, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    run(CONFIG, {**models, "corpus": corpus}, folder, session_context)
    return folder


def read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_report_has_each_file_in_both_languages(bench: Path) -> None:
    report = read(bench)
    assert [file["quant"] for file in report["files"]] == ["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_NL"]
    full, *others = report["files"]
    for lang in ("ja", "en"):
        assert full["quality"][lang]["kld_mean"] is None
        assert report["measured_on"][lang]["tokens"] >= 400
        for file in others:
            figures = file["quality"][lang]
            assert 0 < figures["kld_mean"] <= figures["kld_p99"]
            assert figures["kld_se"] > 0
            assert 0 < figures["top1_agreement"] <= 1
            assert figures["bits_per_byte"] == pytest.approx(full["quality"][lang]["bits_per_byte"], rel=0.2)
    by_quant = {file["quant"]: file["quality"]["ja"]["kld_mean"] for file in others}
    assert by_quant["Q8_0"] < by_quant["Q6_K"] < by_quant["Q4_0"]
    assert [sample["equal_tokens"] for sample in full["samples"]] == [len(s["ids"]) for s in full["samples"]]


def test_the_same_bytes_again(
    bench: Path, models: dict[str, Path], corpus: Path, session_context: Context, tmp_path: Path
) -> None:
    artifact = run(CONFIG, {**models, "corpus": corpus}, tmp_path, session_context)
    assert artifact.volatile == ()
    assert artifact.measurements["speed"]["Q4_0"]["generated_tokens_per_second"] > 0
    assert {p.name: sha256_file(p) for p in tmp_path.iterdir()} == {p.name: sha256_file(p) for p in bench.iterdir()}


def test_the_models_before_the_files_are_measured_on_their_text(bench: Path) -> None:
    report = read(bench)
    base, pretrained = report["steps"]
    assert [base["step"], pretrained["step"]] == ["base", "pretrain"]
    for lang in ("ja", "en"):
        first, second, full = (row["quality"][lang] for row in (base, pretrained, report["files"][0]))
        assert second["tokens"] == report["measured_on"][lang]["tokens"] < first["tokens"]
        assert full["bits_per_byte"] == pytest.approx(second["bits_per_byte"], rel=2e-3), "F16 rounds"
        assert [first[name] for name in ("rise", "rise_low", "rise_high")] == [0, 0, 0]
        for figures in (second, *(file["quality"][lang] for file in report["files"])):
            by_hand = figures["bits_per_byte"] / first["bits_per_byte"] - 1
            assert figures["rise_low"] < figures["rise"] < figures["rise_high"]
            assert figures["rise"] == pytest.approx(by_hand, abs=1e-5)


def test_the_base_reads_each_byte_once_in_windows_that_hold_as_much_text(random_base: Path) -> None:
    texts = [f"The cat number {number} sat on the mat." * 3 for number in range(5)]
    sample = choose(texts, letters, 1, n_ctx=21, eval_tokens=10_000)
    pieces = open_pieces(random_base)
    tokens = sum(len(pieces.encode(text)) for text in texts)
    model: Any = SimpleNamespace(config=SimpleNamespace(max_position_embeddings=1024))
    windows = windows_of("base", random_base, model, sample, 21)
    assert max(len(window.ids) for window in windows) == 1 + math.ceil(20 * tokens / sample.tokens) != 21
    model.config.max_position_embeddings = 9
    for some in (windows, short := windows_of("base", random_base, model, sample, 21)):
        assert all(window.ids[0] == pieces.bos_id for window in some)
        for number, text in enumerate(sample.texts):
            ids = [one for window in some if window.text == number for one in window.ids[1:]]
            assert ids == pieces.encode(text)
    assert max(len(window.ids) for window in short) == 9
    same = windows_of("pretrain", random_base, model, sample, 21)
    assert [window.ids for window in same] == sample.windows and [one.text for one in same] == sample.document


def test_a_rise_is_measured_in_pairs() -> None:
    base = [100.0, 200.0, 50.0, 400.0]
    found = rise([value * 1.03 for value in base], base)
    assert found == {"rise": 0.03, "rise_low": 0.03, "rise_high": 0.03}, "documents as hard for both tell nothing apart"
    assert rise(base[:2], base[:2]) == {"rise": 0.0, "rise_low": None, "rise_high": None}


def test_page_stands_alone_and_escapes(bench: Path) -> None:
    page = (bench / "report.html").read_text(encoding="utf-8")
    assert "<b>\n" not in page
    assert "The cat &lt;b&gt;" in page
    assert "<svg" in page
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"(src|href)=[\"']?https?:", page)
    assert "<script" not in page
    for file in read(bench)["files"]:
        assert f"{file['bits_per_weight']:.2f}" in page


def test_table_fits_a_terminal(bench: Path) -> None:
    console = Console(width=80, record=True, quiet=False, file=(bench.parent / "table.txt").open("w"))
    report = read(bench)
    longest = {**report["files"][-1], "quant": "mix-1.94MB-learned", "note": "from Q4_0", "bytes": 98_765_432}
    speeds = {name: {"generated_tokens_per_second": 1234.5} for name in ("Q4_0", longest["quant"])}
    console.print(quality_table({**report, "files": [*report["files"], longest]}, speeds))
    text = console.export_text()
    assert "…" not in text
    for file in read(bench)["files"]:
        assert re.search(rf"{file['quant']} .*{file['quality']['ja']['bits_per_byte']:.4f}", text)
    assert "1,23" in text


def test_no_held_out_text(models: dict[str, Path], corpus: Path, session_context: Context, tmp_path: Path) -> None:
    empty = pl.DataFrame({"id": ["a"], "source": ["x"], "text": [""]})
    write_documents(tmp_path / "corpus", "ja", "heldout", empty)
    with pytest.raises(LilmError, match="held-out text of 'ja' is empty"):
        run(CONFIG, {**models, "corpus": tmp_path / "corpus"}, tmp_path, session_context)


def test_a_window_longer_than_the_model_was_trained_for(
    models: dict[str, Path], corpus: Path, session_context: Context, tmp_path: Path
) -> None:
    config = BenchConfig(n_ctx=512)
    with pytest.raises(LilmError, match="trained for 256 tokens"):
        run(config, {**models, "corpus": corpus}, tmp_path, session_context)


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def test_excerpts_predict_each_token_once_and_count_its_bytes() -> None:
    texts = ["あ" * 30, "b" * 25]
    excerpts = choose(texts, letters, 1, n_ctx=11, eval_tokens=1000)
    assert all(window[0] == 1 and len(window) <= 11 for window in excerpts.windows)
    assert sum(len(window) - 1 for window in excerpts.windows) == excerpts.tokens == 55
    assert excerpts.bytes == 30 * 3 + 25
    assert excerpts.documents == 2


def test_excerpts_do_not_come_from_one_long_document() -> None:
    texts = ["x" * 100_000, *("y" * 50 + str(i) for i in range(100))]
    excerpts = choose(texts, letters, 1, n_ctx=11, eval_tokens=1600)
    assert 1600 <= excerpts.tokens < 1700
    assert excerpts.bytes == excerpts.tokens
    assert sum(token == ord("x") for window in excerpts.windows for token in window) <= 100


def test_error_of_dependent_values_is_larger() -> None:
    alike = [np.full(50, value, dtype=np.float64) for value in (0.0, 1.0, 0.0, 1.0)]
    mixed = [np.tile([0.0, 1.0], 25) for _ in range(4)]
    assert clustered_error(alike) == pytest.approx(np.std([0, 1, 0, 1], ddof=1) / 2)
    assert clustered_error(mixed) == pytest.approx(0)
    assert clustered_error(alike[:2]) is None, "two documents tell next to nothing, one nothing at all"


def test_windows_of_one_document_are_not_as_many_documents() -> None:
    texts = [letter * 40 for letter in "abcd"]
    excerpts = choose(texts, letters, 1, n_ctx=11, eval_tokens=640)
    assert excerpts.documents == 4 and [excerpts.document.count(number) for number in range(4)] == [4] * 4
    levels = {ord(letter): value for letter, value in zip("abcd", (0.0, 1.0, 0.0, 1.0), strict=True)}
    scores = [
        Score(*[np.full(10, levels[window[1]])] * 2, np.full(10, levels[window[1]]), np.ones(10, np.bool_), 0.0)  # type: ignore[arg-type]
        for window in excerpts.windows
    ]
    assert summarise(scores, excerpts)["kld_se"] == pytest.approx(np.std([0, 1, 0, 1], ddof=1) / 2, abs=1e-6)
    one = choose(["x" * 1000], letters, 1, n_ctx=11, eval_tokens=1600)
    assert len(one.windows) == 10 and summarise(scores[:10], one)["kld_se"] is None


def test_little_held_out_text_is_said_instead_of_a_narrow_interval(
    models: dict[str, Path], session_context: Context, tmp_path: Path
) -> None:
    corpus = tmp_path / "corpus"
    for lang, text in (("ja", "きょうは雨が降っています。"), ("en", "It rains today.")):
        write_documents(corpus, lang, "heldout", pl.DataFrame({"id": ["0"], "source": ["x"], "text": [text]}))
    config = BenchConfig(eval_tokens=100, n_ctx=64, prompts=("The cat",), n_predict=2)
    run(config, {**models, "corpus": corpus}, tmp_path, session_context)
    report = read(tmp_path)
    assert report["measured_on"]["ja"]["windows"] < 3
    assert all(file["quality"]["ja"]["kld_se"] is None for file in report["files"])
    assert all(row["quality"]["ja"]["rise_low"] is None for row in (*report["steps"], *report["files"]))
    console = Console(width=200)
    with console.capture() as shown:
        console.print(quality_table(report))
    said = shown.get()
    assert "±?" in said and "± ?: too little held-out text to tell" in said and "±0.0" not in said
    tokens = report["measured_on"]["ja"]["tokens"]
    assert f"only {tokens:,} held-out tokens of ja: too little to tell files apart" in said
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "too little to tell files apart" in page and "too little to tell how sure" in page


def test_equal_tokens() -> None:
    assert equal_tokens([1, 2, 3], [1, 2, 4]) == 2
    assert equal_tokens([1, 2], [1, 2, 3]) == 2


def test_benchmarks_are_found_by_name(reporter: Reporter) -> None:
    with pytest.raises(LilmError, match="use one of: stages"):
        run_benchmark("stagez", reporter)


def test_stages_are_timed(reporter: Reporter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def work(config: object, inputs: object, out_dir: Path, context: Context) -> Artifact:
        block = bytearray(80_000_000)
        time.sleep(0.5)
        (out_dir / "out").write_text(str(len(block)))
        return Artifact()

    module = ModuleType("fake_stage")
    module.run = work  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fake_stage", module)
    names = ("corpus", "base")
    monkeypatch.setattr(
        runner, "STAGES", [Stage(name, name, "fake_stage", lambda recipe: (), ("*",)) for name in names]
    )
    first = run_benchmark("stages", reporter, recipe="quickstart", run_dir=tmp_path / "run")
    again = run_benchmark("stages", reporter, recipe="quickstart", run_dir=tmp_path / "run")
    assert [row["name"] for row in first["stages"]] == ["corpus", "base"]
    assert all(row["ran"] and row["seconds"] >= 0.5 and row["peak_mb"] > 80 for row in first["stages"])
    assert first["total_s"] == pytest.approx(sum(row["seconds"] for row in first["stages"]))
    assert [(row["ran"], row["peak_mb"]) for row in again["stages"]] == [(False, None), (False, None)]
    assert again["total_s"] == 0
    assert json.loads(json.dumps(first)) == first
