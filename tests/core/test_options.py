"""What is to be written at the end of long work is looked at before it begins."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lilm.cli.entry import make_app
from lilm.errors import LilmError


@pytest.mark.parametrize(
    "words",
    [
        ("bench", "stages", "--json"),
        ("bench", "real", "--markdown"),
        ("plan", "here", "--recipe", "quickstart", "--json"),
        ("fit", "model.gguf", "--measure", "--json"),
        ("finetune", "show", "chats.jsonl", "--json"),
    ],
)
def test_figures_that_could_not_be_written_are_refused_before_the_work(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*arguments: object, **options: object) -> None:
        raise AssertionError("work was begun")

    for place in (
        "cli.benchmarks.run_benchmark",
        "train.plan.show.show_plan",
        "fit.command.show_fit",
        "train.finetune.show.show_chats",
    ):
        monkeypatch.setattr(f"lilm.{place}", work)
    for path, what in (
        (tmp_path / "none" / "x.json", "no such folder — make it"),
        (tmp_path, "a folder, where a file"),
    ):
        done = CliRunner().invoke(make_app(), [*words, str(path)])
        assert isinstance(done.exception, LilmError) and what in done.exception.line()
    written = tmp_path / "x.json"
    assert isinstance(CliRunner().invoke(make_app(), [*words, str(written)]).exception, AssertionError)


@pytest.mark.parametrize("option", ["--inputs", "--kills", "--minutes", "--eval-tokens", "--limit", "--clients"])
def test_a_benchmark_of_less_than_nothing_is_refused(option: str) -> None:
    """It said that there were no faults."""
    done = CliRunner().invoke(make_app(), ["bench", "faults", option, "-3"])
    assert done.exit_code == 2 and f"Invalid value for '{option}'" in done.output
