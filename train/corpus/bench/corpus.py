"""`lilm bench corpus`: duplicates, rules and the whole stage, each beside its peers, in one run."""

from pathlib import Path
from typing import Any

from rich.table import Table

from lilm.progress import Reporter
from lilm.train.corpus.bench.near import measure_near
from lilm.train.corpus.bench.rules import measure_rules
from lilm.train.corpus.bench.stage import measure_stage


def measure(reporter: Reporter, data: Path | None = None, megabytes: float = 128.0) -> dict[str, Any]:
    """One core; MB are of UTF-8. data: a folder with ja_text/aozora and ja_text/jaquad_wiki; None: made-up stories.
    megabytes: of the largest corpus that the whole stage is run on.

    Returns dedup_mb_s, rensa_matrix_mb_s, rensa_string_mb_s, recall, precision, rules_mb_s, hojichar_mb_s (None when
    HojiChar is not installed), stage_mb_s, bytes_per_token, peak_disk_ratio, peak_memory_mb, growth.
    """
    reporter.say("duplicates, beside rensa")
    figures = {"benchmark": "corpus", **measure_near(data)}
    reporter.say("normalising and rules, beside HojiChar")
    figures |= measure_rules(data)
    reporter.say("the whole stage")
    figures |= measure_stage(reporter, data, megabytes)
    reporter.console.print(_table(figures))
    return figures


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title="corpus, one core", title_justify="left", show_header=False)
    for key, value in figures.items():
        if key != "growth":
            table.add_row(key, str(value))
    for row in figures["growth"]:
        table.add_row(
            f"growth {row['scale']}×", f"{row['mb']} MB: {row['seconds']} s, {row['peak_memory_mb']} MB of memory"
        )
    return table
