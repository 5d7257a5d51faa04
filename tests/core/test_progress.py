"""Bars inside bars: a measurement within a training shows its own, which goes when it is done."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lilm.progress import Reporter
from lilm.train.trainer.relay import RelayReporter, replay


def test_an_inner_bar_goes_and_the_outer_stays() -> None:
    reporter = Reporter(Console(file=io.StringIO(), force_terminal=True))
    with reporter.bar("training", 10) as outer:
        with reporter.bar("measure", 5) as inner:
            inner.advance(5)
            assert reporter.live is not None
            assert [task.description for task in reporter.live.tasks] == ["training", "measure"]
        outer.advance(3)
        assert [(task.description, task.completed) for task in reporter.live.tasks] == [("training", 3)]


def test_a_bar_whose_end_nobody_knows() -> None:
    reporter = Reporter(Console(file=io.StringIO(), force_terminal=True))
    with reporter.bar("download", None) as bar:
        bar.advance(3)
        assert reporter.live is not None
        assert [(task.completed, task.total) for task in reporter.live.tasks] == [(3, None)]


def test_what_is_said_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = Reporter()
    reporter.say("runs/:cat:/model 08:F0:AB:DB [v2]")
    reporter.console.print("f0:ab:db", markup=False)
    assert capsys.readouterr().err == "runs/:cat:/model 08:F0:AB:DB [v2]\nf0:ab:db\n"


def test_bars_of_another_process_nest_too(tmp_path: Path) -> None:
    sender = RelayReporter(tmp_path / "progress.jsonl")
    shown = Reporter(Console(file=io.StringIO(), force_terminal=True))
    seen: list[list[tuple[str, float]]] = []

    def events() -> Iterator[list[Any]]:
        for line in (tmp_path / "progress.jsonl").read_text().splitlines():
            yield json.loads(line)
            if shown.live is not None:
                seen.append([(task.description, task.completed) for task in shown.live.tasks])

    with sender.bar("training", 10) as outer:
        with sender.bar("measure", 5) as inner:
            inner.advance(5)
        outer.advance(3)
        replay(events(), shown)  # of a process that may have been killed here
    assert seen[2] == [("training", 0), ("measure", 5)]
    assert seen[-1] == [("training", 3)]
    assert shown.live is None
