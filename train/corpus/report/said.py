"""What the corpus stage says on the screen of the text that it was given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lilm.recipe import CorpusConfig, SourceConfig
from lilm.report.units import count
from lilm.train.corpus.reading.read import broken_input
from lilm.train.corpus.reading.shard import ShardTask
from lilm.train.corpus.sources.detect import REFUSED, detect

LOOKED_AT = 1_000  # files of a source whose first bytes are read again
RULES = 6  # that are named
CALLED = {
    "aozora": "Aozora Bunko",
    "html": "pages of HTML",
    "jsonl": "JSON Lines",
    "mediawiki": "a MediaWiki dump",
    "parquet": "Parquet",
    "warc": "a web archive",
    "csv": "tables",
    "squad": "SQuAD's JSON",
}


def said_of(config: CorpusConfig, tasks: Sequence[ShardTask], report: Mapping[str, Any]) -> list[str]:
    """A line for each source, one for what was dropped, and those for what wants a look. report: report.json."""
    lines = [_source_line(source, tasks, report) for source in config.sources]
    drops = sorted(report["drops"].items(), key=lambda item: (-item[1]["documents"], item[0]))
    if drops:
        named = ", ".join(f"{rule} {count(entry['documents'])}" for rule, entry in drops[:RULES])
        rest = sum(entry["documents"] for _, entry in drops[RULES:])
        lines.append(f"dropped by {named}" + (f", {count(rest)} by other rules" if rest else ""))
    for name, entry in report["bad"].items():
        if entry["bad"]:
            lines.append(f"{name}: left out as broken, {count(entry['bad'])}: {broken_input(entry)}")
    return lines + [hint for source in config.sources for hint in hints(source, tasks)]


def _source_line(source: SourceConfig, tasks: Sequence[ShardTask], report: Mapping[str, Any]) -> str:
    """ "mine: 20 files, 27 parts, 0 dropped" """
    steps = report["sources"].get(source.name, {})
    figures = {step: entry["documents"] for step, entry in steps.items()}
    files = len({path for task in tasks if task.source.name == source.name for path in task.shard.paths})
    parts, records = figures.get("normalised", 0), figures.get("read", 0)
    found = [f"{count(files)} file{'s' * (files != 1)}"] if files else []
    if records != files:
        found.append(f"{count(records)} document{'s' * (records != 1)}")
    found.append(f"{count(parts)} part{'s' * (parts != 1)}")
    return f"{source.name}: {', '.join(found)}, {count(parts - figures.get('written', 0))} dropped"


def hints(source: SourceConfig, tasks: Sequence[ShardTask]) -> list[str]:
    """What was read as plain text and looks like something else, with the format that reads it."""
    if source.format != "text":
        return []
    paths = dict.fromkeys(path for task in tasks if task.source.name == source.name for path in task.shard.paths)
    found: dict[str, int] = {}
    for path in list(paths)[:LOOKED_AT]:
        try:
            kind = detect(Path(path)).format
        except OSError:
            continue
        if kind not in ("text", REFUSED):
            found[kind] = found.get(kind, 0) + 1
    return [
        f"{source.name}: {files} file{'s look' if files != 1 else ' looks'} like {CALLED[kind]}, whose marks were "
        f'learnt as text: format = "{kind}"'
        for kind, files in found.items()
    ]
