"""What the corpus stage says on the screen of the text that it was given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lilm.commands import command
from lilm.recipe import CorpusConfig, SourceConfig
from lilm.report.units import count
from lilm.train.corpus.reading.read import broken_input
from lilm.train.corpus.reading.shard import ShardTask
from lilm.train.corpus.sources.detect import REFUSED, detect
from lilm.train.corpus.sources.marks import LOOKED_AT, said_of_marks

RULES = 6  # that are named
MOST_DROPPED = 0.5  # of a source that is no crawl: the user's own text, which is seldom so bad
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
    lines += [line for source in config.sources for line in _much_is_dropped(source, report)]
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
    files = len(_paths(source, tasks))
    parts, records, written = (_documents(source, report, step) for step in ("normalised", "read", "written"))
    found = [f"{count(files)} file{'s' * (files != 1)}"] if files else []
    if records != files:
        found.append(f"{count(records)} document{'s' * (records != 1)}")
    found.append(f"{count(parts)} part{'s' * (parts != 1)}")
    return f"{source.name}: {', '.join(found)}, {count(parts - written)} dropped"


def _much_is_dropped(source: SourceConfig, report: Mapping[str, Any]) -> list[str]:
    """A warning, where hours would be spent on the little that is left. Of pages of the web much is always dropped."""
    parts, written = (_documents(source, report, step) for step in ("normalised", "written"))
    if source.is_web or parts - written <= MOST_DROPPED * parts:
        return []
    return [
        f"warning: only {count(written)} of {count(parts)} parts of {source.name} "
        f"{'is' if written == 1 else 'are'} left to learn from: corpus/report.html has samples of what each rule "
        f"dropped, `{command('corpus', 'inspect')} FILE` says why of one file; [corpus.rules] and [corpus.dedup] have "
        "the limits"
    ]


def _documents(source: SourceConfig, report: Mapping[str, Any], step: str) -> int:
    entry = report["sources"].get(source.name, {}).get(step)
    return int(entry["documents"]) if entry else 0


def _paths(source: SourceConfig, tasks: Sequence[ShardTask]) -> list[str]:
    """Of all its files, each once, in their order."""
    return list(dict.fromkeys(path for task in tasks if task.source.name == source.name for path in task.shard.paths))


def hints(source: SourceConfig, tasks: Sequence[ShardTask]) -> list[str]:
    """What was read as plain text and looks like something else, with the format that reads it; and marks in it."""
    if source.format not in ("text", "auto"):
        return []
    paths = _paths(source, tasks)
    marks = said_of_marks(map(Path, paths))
    told = [f"{source.name}: {marks}"] if marks else []
    if source.format == "auto":
        return told
    found: dict[str, int] = {}
    for path in paths[:LOOKED_AT]:
        try:
            kind = detect(Path(path)).format
        except OSError:
            continue
        if kind not in ("text", REFUSED):
            found[kind] = found.get(kind, 0) + 1
    return told + [
        f"{source.name}: {files} file{'s look' if files != 1 else ' looks'} like {CALLED[kind]}, whose marks were "
        f'learnt as text: format = "{kind}"'
        for kind, files in found.items()
    ]
