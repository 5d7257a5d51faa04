"""The runner: done is skipped, changed is rerun and nothing else, failed leaves the folder as it was."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

import lilm.pipeline.runner as runner
from lilm.download import cached_path
from lilm.errors import LilmError
from lilm.pipeline import made_by, work
from lilm.pipeline.artifact import Artifact, read_manifest
from lilm.pipeline.stage import Context, Stage
from lilm.progress import Reporter
from lilm.recipe import BaseConfig, Recipe, load_recipe
from lilm.train.base import stage as base_stage


class Fake:
    """A stage that writes its inputs' outputs and its config, and remembers that it ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fail: Exception | None = None
        self.dropped: tuple[str, ...] = ()
        self.refused = self.refused_base = "none"
        self.file, self.source = "file", "v1"

    def module(self, name: str) -> ModuleType:
        module = ModuleType(f"fake_{name}")

        def run(config: object, inputs: Mapping[str, Path], out_dir: Path, context: Context) -> Artifact:
            self.ran.append(name)
            (out_dir / "half").write_text("half-written")
            if self.fail and name == "tokenizer":
                raise self.fail
            (out_dir / "half").unlink()
            for other in self.dropped if name == "export" else ():  # what a user drops there meanwhile
                (out_dir / other).write_text(other)
            read = {needed: (folder / "out").read_text() for needed, folder in inputs.items()}
            (out_dir / "out").write_text(json.dumps({"config": str(config), "read": read, "source": self.source}))
            (out_dir / "log").write_text(str(len(self.ran)))
            return Artifact({"figure": 1}, volatile=("log",))

        def external(config: object, context: Context) -> dict[str, str]:
            return {self.file: self.source} if name == "corpus" else {}

        def check_vocabulary(config: object, base: Path, tokenizer: Path, context: Context) -> None:
            if name == "export" and self.refused in (tokenizer / "out").read_text():
                raise LilmError(f"{self.refused} are too many")

        def check_base(config: object, base: Path, context: Context) -> None:
            if name == "export" and self.refused_base in (base / "out").read_text():
                raise LilmError(f"{self.refused_base} does not fit")

        module.check_base = check_base  # type: ignore[attr-defined]
        module.check_vocabulary = check_vocabulary  # type: ignore[attr-defined]
        module.run = run  # type: ignore[attr-defined]
        module.external = external  # type: ignore[attr-defined]
        return module


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    fake = Fake()
    needs: dict[str, tuple[str, ...]] = {
        "corpus": (),
        "base": (),
        "tokenizer": ("corpus", "base"),
        "export": ("tokenizer",),
        "bench": ("export",),
    }
    stages = []
    for name, wanted in needs.items():
        monkeypatch.setitem(sys.modules, f"fake_{name}", fake.module(name))
        stages.append(Stage(name, "fake", f"fake_{name}", lambda recipe, wanted=wanted: wanted, ("out",), ("seed",)))
    monkeypatch.setattr(runner, "STAGES", tuple(stages))
    yield fake


def go(run_dir: Path, reporter: Reporter, recipe: Recipe | None = None, force: bool = False, **span: str) -> list[str]:
    stages = runner.chosen_stages(span.get("first"), span.get("last"))
    return runner.run_stages(recipe or load_recipe("quickstart"), run_dir, stages, reporter, force)


def changed(section: str, **values: object) -> Recipe:
    recipe = load_recipe("quickstart")
    return recipe.model_copy(update={section: getattr(recipe, section).model_copy(update=values)})


def test_a_second_run_does_nothing(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    run = tmp_path / "run"
    assert go(run, reporter) == ["base", "corpus", "tokenizer", "export", "bench"], "what needs no text comes first"
    assert go(run, reporter) == []
    manifest = json.loads((run / "export" / "manifest.json").read_text())
    assert set(manifest["outputs"]) == {"out"}
    assert manifest["measurements"]["figure"] == 1


def test_a_changed_key_reruns_what_depends_on_it(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    go(tmp_path, reporter)
    assert go(tmp_path, reporter, changed("tokenizer", pieces=7)) == ["tokenizer", "export", "bench"]
    assert go(tmp_path, reporter, changed("tokenizer", pieces=7)) == []
    both = changed("tokenizer", pieces=7).model_copy(update={"bench": changed("bench", n_ctx=99).bench})
    assert go(tmp_path, reporter, both) == ["bench"]


def test_a_changed_source_file_reruns(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    go(tmp_path, reporter)
    fake.source = "v2"
    assert go(tmp_path, reporter) == ["corpus", "tokenizer", "export", "bench"]


def test_files_whose_names_are_no_utf_8(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    """As archives of Windows unpack to: names in CP932."""
    fake.file = os.fsdecode("猫.txt".encode("cp932"))
    assert go(tmp_path, reporter) == ["base", "corpus", "tokenizer", "export", "bench"]
    assert go(tmp_path, reporter) == []
    fake.source = "v2"
    assert go(tmp_path, reporter) == ["corpus", "tokenizer", "export", "bench"]


def test_a_damaged_output_is_made_again(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    go(tmp_path, reporter)
    (tmp_path / "export" / "out").write_text("damaged")
    assert "export" in go(tmp_path, reporter)
    (tmp_path / "corpus" / "out").write_text("damaged")
    with pytest.raises(LilmError, match="--from corpus"):
        go(tmp_path, reporter, first="tokenizer", force=True)


def test_a_vocabulary_that_a_later_stage_cannot_use_is_refused_as_soon_as_it_is_there(
    fake: Fake, tmp_path: Path, reporter: Reporter
) -> None:
    fake.refused = "pieces=1500"
    for span, ran in (({}, ["base", "corpus", "tokenizer"]), ({}, []), ({"first": "export"}, [])):
        fake.ran.clear()
        with pytest.raises(LilmError, match="pieces=1500 are too many"):
            go(tmp_path, reporter, **span)
        assert fake.ran == ran
    assert go(tmp_path, reporter, changed("tokenizer", pieces=7)) == ["tokenizer", "export", "bench"]


def test_a_base_that_another_takes_the_place_of_is_not_held_against_it(
    fake: Fake, tmp_path: Path, reporter: Reporter
) -> None:
    """Another base in the recipe, and an export that the old one could not have made."""
    go(tmp_path, reporter, changed("base", dtype="bfloat16"))
    fake.refused_base = "dtype='bfloat16'"
    assert go(tmp_path, reporter, changed("base", dtype="float32")) == ["base", "tokenizer", "export", "bench"]
    fake.refused_base = "dtype='float32'"
    for span in ({}, {"first": "export"}):  # the one that stays is refused before any work
        fake.ran.clear()
        with pytest.raises(LilmError, match="does not fit"):
            go(tmp_path, reporter, changed("base", dtype="float32"), **span)
        assert fake.ran == []
    with pytest.raises(LilmError, match="does not fit"):  # as soon as it is there
        go(tmp_path, reporter, changed("base", dtype="float32"), force=True)
    assert fake.ran == ["base"]


def test_a_base_by_its_address_is_looked_at_before_any_work(
    fake: Fake, tmp_path: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made after the text, which may take hours."""
    monkeypatch.setenv("LILM_CACHE", str(tmp_path / "cache"))
    url = "https://example.org/model"
    fetched = cached_path(url)

    def fetch(config: object, context: Context) -> None:
        fetched.mkdir(parents=True)
        (fetched / "out").write_text("too large")

    monkeypatch.setattr(sys.modules["fake_base"], "check_remote", fetch, raising=False)
    fake.refused_base = "too large"
    with pytest.raises(LilmError, match="too large does not fit"):
        go(tmp_path / "run", reporter, changed("base", kind="gguf", url=url))
    assert fake.ran == [] and not (tmp_path / "run").exists()


def test_a_user_error_leaves_the_run_as_it_was(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    go(tmp_path, reporter)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    fake.fail = LilmError("bad text", where="file.txt:3", remedy="mend it")
    with pytest.raises(LilmError):
        go(tmp_path, reporter, force=True, first="tokenizer")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_full_disk_is_one_line(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    fake.fail = OSError(28, "No space left on device")
    with pytest.raises(LilmError, match="no space left"):
        go(tmp_path, reporter)
    assert not any((tmp_path / ".work").glob("tokenizer-*"))


def test_a_bug_keeps_its_traceback(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    fake.fail = RuntimeError("a bug")
    with pytest.raises(RuntimeError, match="a bug"):
        go(tmp_path, reporter)
    assert not (tmp_path / "tokenizer").exists()


def test_stages_are_chosen_by_name(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    with pytest.raises(LilmError, match="needs corpus"):
        go(tmp_path, reporter, first="tokenizer")
    assert go(tmp_path, reporter, last="tokenizer") == ["base", "corpus", "tokenizer"]
    assert go(tmp_path, reporter, first="base", last="tokenizer", force=True) == ["base", "tokenizer"]
    with pytest.raises(LilmError, match="'exprt'"):
        go(tmp_path, reporter, first="exprt")


def test_two_runs_do_not_share_a_folder(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    with runner.locked(tmp_path), pytest.raises(LilmError, match="another lilm"):
        go(tmp_path, reporter)


def test_who_comes_second_leaves_the_new_folder_of_the_first(
    fake: Fake, tmp_path: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"

    @contextmanager
    def taken(folder: Path) -> Iterator[None]:  # between the look whether it is there and the lock
        (folder / "lilm.log").write_text("of the first")
        raise LilmError("another lilm works in this run folder")
        yield

    monkeypatch.setattr(runner, "locked", taken)
    with pytest.raises(LilmError, match="another lilm"):
        go(run, reporter)
    assert (run / "lilm.log").is_file()


def test_other_code_runs_again_unless_it_may_be_any(
    fake: Fake, tmp_path: Path, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path, reporter)
    code = {"fake_export": {"lilm.export.stage": "new"}}
    monkeypatch.setattr(work, "code_of", lambda module: code.get(module, made_by.code_of(module)))
    recipe, stages = load_recipe("quickstart"), runner.chosen_stages(None, None)
    assert runner.run_stages(recipe, tmp_path, stages, reporter, any_code=True) == []
    assert go(tmp_path, reporter) == ["export"]  # what it writes is as before, so nothing after it runs
    assert json.loads((tmp_path / "export" / "manifest.json").read_text())["code"] == code["fake_export"]
    assert go(tmp_path, reporter) == []


def test_of_long_settings_what_differs_is_told(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    sources = load_recipe("quickstart").corpus.sources
    folder = f"/{'folder/' * 20}"

    def recipe(**of_second: object) -> Recipe:
        of_second = {"path": f"{folder}old", **of_second}
        return changed("corpus", sources=(sources[0], sources[1].model_copy(update=of_second)))

    def why(now: Recipe) -> str:
        said = StringIO()
        runner.explain(now, tmp_path, runner.chosen_stages(None, None), Reporter(Console(file=said, width=500)))
        return said.getvalue().splitlines()[0]

    go(tmp_path, reporter, recipe())
    assert why(recipe(limit=7)) == "corpus: would run, since corpus.sources[1].limit is 7, it was 8000"
    moved = why(recipe(path=f"{folder}new"))
    assert moved.startswith("corpus: would run, since corpus.sources[1].path is …")
    assert "/new', it was …" in moved and moved.endswith("/old'")
    fewer = why(changed("corpus", sources=sources[:1]))
    assert fewer.startswith("corpus: would run, since corpus.sources is ") and fewer.count("…") >= 1


def test_what_would_run_is_told_with_its_reason(fake: Fake, tmp_path: Path) -> None:
    said = StringIO()
    reporter = Reporter(Console(file=said, width=200))
    go(tmp_path, reporter)
    said.truncate(0)
    runner.explain(changed("tokenizer", pieces=7), tmp_path, runner.chosen_stages(None, None), reporter)
    lines = said.getvalue().strip("\0").splitlines()
    assert lines[:2] == ["corpus: up to date", "base: up to date"]
    assert lines[2] == "tokenizer: would run, since tokenizer.pieces is 7, it was 1500"
    assert lines[3] == "export: would run if tokenizer comes out otherwise"
    fake.source = "v2"
    said.truncate(0)
    go(tmp_path, reporter, last="corpus")
    assert "again: a file that it reads has changed" in said.getvalue()


def test_a_file_that_is_gone_is_one_line_where_it_is_only_asked_what_would_run(
    tmp_path: Path, reporter: Reporter, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path, reporter)
    gone = BaseConfig(kind="gguf", path=str(tmp_path / "gone.gguf"))
    recipe = load_recipe("quickstart").model_copy(update={"base": gone})
    monkeypatch.setattr(sys.modules["fake_base"], "external", base_stage.external, raising=False)
    with pytest.raises(LilmError, match=r"gone\.gguf: no such file"):
        runner.explain(recipe, tmp_path, runner.chosen_stages(None, None), reporter)


CUT = '{"stage": "export", "key": "\\ud800"}'  # half a surrogate pair


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"stage": 1}', "no JSON", "[" * 100_000, CUT])
def test_a_stage_without_a_readable_manifest_runs_again(
    fake: Fake, tmp_path: Path, reporter: Reporter, damage: str
) -> None:
    go(tmp_path, reporter)
    (tmp_path / "export" / "manifest.json").write_text(damage)
    assert go(tmp_path, reporter) == ["export"]


def test_a_manifest_names_no_file_outside_its_folder(fake: Fake, tmp_path: Path, reporter: Reporter) -> None:
    go(tmp_path, reporter)
    path = tmp_path / "export" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["outputs"]["../../elsewhere"] = manifest["outputs"]["out"]
    path.write_text(json.dumps(manifest))
    assert read_manifest(tmp_path / "export") is None
