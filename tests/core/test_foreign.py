"""What somebody puts into a stage's folder: it is no output, and it is still there when the stage has run again."""

from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from lilm.demo.stage import copy_engine
from lilm.documents import read_documents, write_documents
from lilm.pipeline.artifact import Manifest, describe_outputs, read_manifest
from lilm.pipeline.foreign import put_aside
from lilm.progress import Reporter
from tests.core.test_runner import Fake, changed, fake, go

__all__ = ["fake"]
OTHER = changed("export", quants=("Q8_0",))


def outputs(folder: Path) -> set[str]:
    manifest = read_manifest(folder)
    assert manifest is not None
    return set(manifest.outputs) | set(manifest.volatile)


def with_manifest(folder: Path) -> None:
    Manifest("corpus", "key", {}, {}, describe_outputs(folder, ()), (), {}).write(folder)


def test_it_stays_when_the_stage_runs_again(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    run, said = tmp_path / "run", StringIO()
    go(run, reporter)
    before = read_manifest(run / "export")
    (run / "export" / "mine").mkdir()
    for name in ("notes.txt", "mine/big.gguf", ".DS_Store"):
        (run / "export" / name).write_text(name)
    (run / "export" / "link").symlink_to("nowhere")
    assert go(run, reporter) == [], "it is up to date"
    assert go(run, Reporter(Console(file=said, width=200)), OTHER) == ["export", "bench"]
    assert "export: what the stage did not write stays in its folder: .DS_Store and 3 more" in said.getvalue()
    assert [(run / "export" / name).read_text() for name in ("notes.txt", "mine/big.gguf")] == [
        "notes.txt",
        "mine/big.gguf",
    ]
    assert (run / "export" / "link").is_symlink()
    after = read_manifest(run / "export")
    assert outputs(run / "export") == {"out", "log"}
    assert before is not None and after is not None and before.digest != after.digest
    assert go(run, reporter, OTHER) == []
    assert not any((run / ".work").iterdir())


def test_a_file_dropped_in_while_the_stage_works_is_no_output_either(
    fake: Fake, tmp_path: Path, reporter: Reporter
) -> None:
    said = StringIO()
    fake.dropped = ("notes.txt", "model.gguf")
    go(tmp_path, Reporter(Console(file=said, width=200)))
    assert outputs(tmp_path / "export") == {"out", "log"}
    assert "export: what the stage did not write stays in its folder: model.gguf and 1 more" in said.getvalue()
    fake.dropped = ()
    assert go(tmp_path, reporter, OTHER) == ["export", "bench"]
    assert (tmp_path / "export" / "notes.txt").read_text() == "notes.txt"


def test_a_folder_of_the_users_is_not_replaced(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    """The run folder is one that has texts in `corpus`; one of them is called like an output."""
    (tmp_path / "corpus").mkdir()
    for name, text in (("a.txt", "text"), ("out", "mine")):
        (tmp_path / "corpus" / name).write_text(text)
    go(tmp_path, reporter)
    found = {path.name: path.read_text() for path in (tmp_path / "corpus").iterdir()}
    assert found["a.txt"] == "text" and found["out.kept"] == "mine" and "config" in found["out"]
    assert outputs(tmp_path / "corpus") == {"out", "log"}
    assert go(tmp_path, reporter) == []


def test_a_lost_manifest_leaves_no_copies(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    go(tmp_path, reporter)
    (tmp_path / "export" / "manifest.json").unlink()
    assert go(tmp_path, reporter) == ["export"]
    assert not (tmp_path / "export" / "out.kept").exists()


def test_a_file_in_the_folders_place_is_kept_beside_it(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    (tmp_path / "export").write_text("mine")
    go(tmp_path, reporter)
    assert (tmp_path / "export.kept").read_text() == "mine"
    assert outputs(tmp_path / "export") == {"out", "log"}


@pytest.mark.parametrize("placed", [True, False])
def test_a_kill_while_the_folders_are_exchanged_loses_nothing(
    fake: Fake, tmp_path: Path, reporter: Reporter, placed: bool
) -> None:
    """The old folder is aside; the new one is in its place, or not yet."""
    go(tmp_path, reporter)
    (tmp_path / "export" / "notes.txt").write_text("mine")
    put_aside(tmp_path / "export", tmp_path / ".work" / "old-export")
    if placed:
        (tmp_path / "export").mkdir()
        for name in ("out", "log", "manifest.json"):
            data = (tmp_path / ".work" / "old-export" / name).read_bytes()
            (tmp_path / "export" / name).write_bytes(data)
    assert go(tmp_path, reporter) == ([] if placed else ["export"])
    assert (tmp_path / "export" / "notes.txt").read_text() == "mine"
    assert not any((tmp_path / ".work").iterdir())


def test_what_a_file_manager_leaves_in_a_work_folder_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a")
    (tmp_path / ".DS_Store").write_text("b")
    assert set(describe_outputs(tmp_path, ())) == {"out"}


def test_a_foreign_part_is_no_text_of_the_corpus(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["1"], "source": ["s"], "text": ["own"]})
    write_documents(tmp_path, "ja", "train", frame)
    with_manifest(tmp_path)
    write_documents(tmp_path, "ja", "train", frame.with_columns(text=pl.lit("foreign")), part="99")
    assert read_documents(tmp_path, "ja", "train")["text"].to_list() == ["own"]


def test_a_foreign_file_beside_the_engine_is_not_published(tmp_path: Path) -> None:
    wasm, site = tmp_path / "wasm", tmp_path / "site"
    (wasm / "threads").mkdir(parents=True)
    (wasm / "threads" / "lilm-core.wasm").write_text("own")
    with_manifest(wasm)
    (wasm / "secret.txt").write_text("mine")
    copy_engine(wasm, site)
    assert [path.name for path in site.rglob("*") if path.is_file()] == ["lilm-core.wasm"]
