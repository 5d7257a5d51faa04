"""`lilm report`: two runs on one page, or why not; and where a run's pages lie."""

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lilm.cli.entry import make_app
from lilm.errors import LilmError
from lilm.export.quality.page.compare import compare_runs
from lilm.export.quality.page.compare_page import compare_page
from lilm.pipeline.artifact import Manifest
from lilm.recipe import recipe_text
from tests.export.made_report import FULL, report, row

ROWS = [FULL, row("Q8_0", 32.0, 0.001), row("Q4_0", 17.0, 0.04, (0.009, 0.012))]


def write(folder: Path, source: str, content: Any) -> Path:
    path = folder / source / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def quant_run(folder: Path, documents: str = "same", chats: str = "same", **rest: Any) -> Path:
    model = report(ROWS, **rest)
    model["measured_on"]["en"]["short"]["documents_sha256"] = documents
    model["measured_on"]["chat"]["whole"]["documents_sha256"] = chats
    return write(folder, "quant", {"models": [model]})


def bench_run(folder: Path, text: str = "same", documents: int = 9) -> Path:
    figures = {"bits_per_byte": 1.5, "kld_mean": 0.02, "kld_se": 0.001, "kld_p99": 0.1, "top1_agreement": 0.9}
    quality = {"ja": figures, "en": figures}
    on = {"documents": documents, "tokens": 100, "bytes": 300, "windows": 3, "sha256": text}
    files = [{"name": "model-Q4_0.gguf", "quant": "Q4_0", "bytes": 17_000_000, "quality": quality}]
    (folder / "export").mkdir(parents=True, exist_ok=True)
    export = Manifest("export", "key", {}, {}, {}, (), {})
    export.write(folder / "export")
    (folder / "bench").mkdir()
    Manifest("bench", "key", {}, {"export": export.digest}, {}, (), {}).write(folder / "bench")
    return write(folder, "bench", {"languages": ["ja", "en"], "measured_on": {"ja": on, "en": on}, "files": files})


def test_both_runs_files_are_on_one_page(tmp_path: Path) -> None:
    found = compare_runs(quant_run(tmp_path / "one"), quant_run(tmp_path / "<b>two$x^$"))
    assert [(file.run, file.quant) for file in found.files][:3] == [
        ("<b>two$x^$", "F16"),
        ("one", "F16"),
        ("<b>two$x^$", "Q8_0"),
    ]
    page = compare_page(found)
    assert "&lt;b&gt;two$x^$" in page and "<b>two$x^$" not in page.replace("<b style", "")
    assert page.count("0.04000 ± 0.00400") == 2 * 3  # both runs, three kinds of text
    assert page.count("<svg") == 2 and "http://" not in page.replace("http://www.w3.org", "")
    assert found.cut_alike and "cut the documents into other tokens" not in page


def test_runs_measured_on_other_text_are_not_compared(tmp_path: Path) -> None:
    one, other = quant_run(tmp_path / "one"), quant_run(tmp_path / "two", documents="others")
    with pytest.raises(LilmError, match=r"the held-out English text differs.*30 documents \(one\)"):
        compare_runs(one, other)
    with pytest.raises(LilmError, match="the held-out Japanese text differs"):
        compare_runs(bench_run(tmp_path / "three"), bench_run(tmp_path / "four", "others"))


def test_chats_that_differ_are_left_out_and_it_is_said(tmp_path: Path) -> None:
    found = compare_runs(quant_run(tmp_path / "one"), quant_run(tmp_path / "two", chats="others"))
    assert found.kinds == ("ja", "en")
    assert "chat: the runs were measured on others" in compare_page(found)


def test_where_one_run_lacks_the_richer_report_both_are_compared_by_the_other(tmp_path: Path) -> None:
    both = bench_run(quant_run(tmp_path / "one"))
    found = compare_runs(both, bench_run(tmp_path / "two"))
    assert found.source == "bench/report.json" and [file.mb for file in found.files] == [17.0, 17.0]
    figures = found.files[0].by_kind["ja"]
    assert figures.kld is not None and figures.low is not None and figures.low < figures.kld
    with pytest.raises(LilmError, match=r"has no quant/report\.json, the other no bench/report\.json"):
        compare_runs(quant_run(tmp_path / "three"), bench_run(tmp_path / "four"))


def test_of_few_documents_an_interval_is_wider_than_two_standard_errors(tmp_path: Path) -> None:
    for documents, errors in ((3, 4.303), (1000, 1.962)):
        folders = [bench_run(tmp_path / f"{name}{documents}", documents=documents) for name in ("one", "two")]
        figures = compare_runs(*folders).files[0].by_kind["ja"]
        assert figures.high == pytest.approx(0.02 + errors * 0.001, abs=1e-5)


def test_files_that_were_exported_since_are_not_compared_by_the_measurement_before(tmp_path: Path) -> None:
    one, other = quant_run(tmp_path / "one"), quant_run(tmp_path / "two")

    def exported(*quants: str) -> None:
        hashes = {f"model-{row['quant']}.gguf": row["sha256"] for row in ROWS}
        outputs = {
            f"model-{quant}.gguf": {"bytes": 1, "mtime_ns": 1, "sha256": hashes.get(f"model-{quant}.gguf", "new")}
            for quant in quants
        }
        (one / "export").mkdir(exist_ok=True)
        Manifest("export", "key", {}, {}, outputs, (), {}).write(one / "export")

    exported("Q8_0", "Q4_0")
    assert compare_runs(one, other).source == "quant/report.json"
    exported("Q8_0", "Q4_K_M")
    with pytest.raises(LilmError, match=r"one: nothing is measured there: it has no quant/report\.json"):
        compare_runs(one, other)


def test_figures_of_another_export_are_not_compared(tmp_path: Path) -> None:
    one, other = bench_run(tmp_path / "one"), bench_run(tmp_path / "two")
    compare_runs(one, other)
    outputs = {"model-Q4_0.gguf": {"bytes": 1, "mtime_ns": 1, "sha256": "new"}}
    Manifest("export", "key", {}, {}, outputs, (), {}).write(one / "export")
    with pytest.raises(LilmError, match=r"one: nothing is measured there: .*nor a bench/report\.json, of its export"):
        compare_runs(one, other)


def test_what_cannot_be_compared_is_told_in_one_line(tmp_path: Path) -> None:
    one = quant_run(tmp_path / "one")
    with pytest.raises(LilmError, match="no such folder"):
        compare_runs(one, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LilmError, match="nothing is measured there"):
        compare_runs(tmp_path / "empty", one)
    with pytest.raises(LilmError, match="the same run twice"):
        compare_runs(one, tmp_path / "empty" / ".." / "one")
    german = quant_run(tmp_path / "de")
    text = (german / "quant" / "report.json").read_text(encoding="utf-8")
    (german / "quant" / "report.json").write_text(text.replace('"ja"', '"de"'), encoding="utf-8")
    with pytest.raises(LilmError, match="other languages"):
        compare_runs(one, german)
    older = write(tmp_path / "older", "quant", {"models": [{"languages": ["ja", "en"], "files": []}]})
    with pytest.raises(LilmError, match="not a report that this LiLM can read"):
        compare_runs(one, older)


def test_the_command_prints_where_the_pages_are(tmp_path: Path) -> None:
    one, two = quant_run(tmp_path / "one"), quant_run(tmp_path / "two")
    out = tmp_path / "both.html"
    call = CliRunner().invoke(make_app(), ["report", "--compare", str(one), str(two), "--out", str(out)])
    assert call.exit_code == 0 and call.stdout.strip() == str(out)
    assert "one and two" in out.read_text(encoding="utf-8")
    for name in ("bench", "quant"):
        (one / name).mkdir(exist_ok=True)
        (one / name / "report.html").write_text("x")
    call = CliRunner().invoke(make_app(), ["report", str(one)])
    assert call.stdout.split() == [str(one / "quant" / "report.html"), str(one / "bench" / "report.html")]
    for wrong in (["report", str(one), str(two)], ["report", "--compare", str(one)], ["report", str(tmp_path)]):
        assert isinstance(CliRunner().invoke(make_app(), wrong).exception, LilmError)
    with chdir(tmp_path):
        assert isinstance(CliRunner().invoke(make_app(), ["report"]).exception, LilmError), "no recipe there"
        Path("lilm.toml").write_text(recipe_text("quickstart"), encoding="utf-8")
        one.rename("run")
        assert CliRunner().invoke(make_app(), ["report"]).stdout.split() == [
            "run/quant/report.html",
            "run/bench/report.html",
        ]
