"""Bars inside bars: a measurement within a training shows its own, which goes when it is done."""

import io
from pathlib import Path

from rich.console import Console

from lilm.progress import Reporter
from lilm.train.trainer.relay import Relayed, RelayReporter


def test_an_inner_bar_goes_and_the_outer_stays() -> None:
    reporter = Reporter(Console(file=io.StringIO(), force_terminal=True))
    with reporter.bar("training", 10) as outer:
        with reporter.bar("measure", 5) as inner:
            inner.advance(5)
            assert reporter.live is not None
            assert [task.description for task in reporter.live.tasks] == ["training", "measure"]
        outer.advance(3)
        assert [(task.description, task.completed) for task in reporter.live.tasks] == [("training", 3)]


def test_bars_of_another_process_nest_too(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    sender = RelayReporter(path)
    shown = Reporter(Console(file=io.StringIO(), force_terminal=True))
    with Relayed(path, shown) as relayed, sender.bar("training", 10) as outer:
        with sender.bar("measure", 5) as inner:
            inner.advance(5)
        outer.advance(3)
        relayed.show()
        assert shown.live is not None
        assert [(task.description, task.completed) for task in shown.live.tasks] == [("training", 3)]
    assert shown.live is None
