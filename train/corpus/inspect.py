"""What each rule says of one document, for people who wonder why it is gone: `lilm corpus inspect FILE`."""

import re
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lilm.errors import LilmError
from lilm.recipe import CorpusConfig, SourceConfig
from lilm.train.corpus.normalise import normalise
from lilm.train.corpus.pieces import pieces
from lilm.train.corpus.rules import Verdict, mask_pii, verdicts, without_boilerplate
from lilm.train.corpus.sample import sample
from lilm.train.corpus.sources import Bad, Skip, read, shards
from lilm.train.corpus.sources.detect import REFUSED, detect
from lilm.train.corpus.sources.files import globbed
from lilm.train.corpus.sources.registry import AUTO, MADE

SHOWN = 20  # lines of boilerplate
BEGINNING = 400  # characters


def inspect_file(name: str, config: CorpusConfig, lang: str, console: Console) -> bool:
    """Prints what the rules say of a document; whether they keep it.

    name: a file, or FILE:N for its Nth record. It is read as the source of the recipe does that has this file, else
    as its ending says, in the language `lang`. Raises LilmError when there is no such file or record, or it can't be
    read.
    """
    path, number = _place(name)
    source = _source(path, config, lang)
    text = _text(path, source, number, config)
    normal = normalise(text, source.lang, config.punctuation)
    console.print(Text(f"{name}: read as {source.format}, {source.lang}{', page of the web' if source.is_web else ''}"))
    if source.is_web:
        cleaned = without_boilerplate(normal, config.rules)
        normal = cleaned.text
        console.print(Text(f"boilerplate: {len(cleaned.removed)} lines", "bold"))
        for line in cleaned.removed[:SHOWN]:
            console.print(Text(f"  line {line.number}, {line.kind}: {sample(line.line, 80)}", "dim"))
    if config.rules.mask_pii:
        normal, masked = mask_pii(normal)
        console.print(Text(f"masked: {', '.join(f'{count} {kind}' for kind, count in masked.items()) or 'nothing'}"))
    parts = pieces(normal, config.max_chars) or [""]
    judged = [verdicts(part, source.lang, config.rules, source.is_web) for part in parts]
    refused = [place for place, said in enumerate(judged) if not all(verdict.keep for verdict in said)]
    shown = refused[0] if refused else 0
    if len(parts) > 1:
        console.print(Text(f"cut into {len(parts)} pieces, {len(refused)} refused; this is piece {shown + 1}"))
    console.print(_table(judged[shown]))
    console.print(Text("normalised:", "bold"), Text(sample(parts[shown], BEGINNING)))
    by = [verdict.name for verdict in judged[shown] if not verdict.keep]
    console.print(Text(f"refused by {', '.join(by)}", "bold red") if by else Text("kept", "bold green"))
    return not refused


def _place(name: str) -> tuple[Path, int]:
    """FILE:N -> (path, N); a file that has such a name itself comes first."""
    path, number = Path(name), 1
    if not path.exists() and re.fullmatch("[0-9]{1,12}", (found := name.rpartition(":"))[2]):
        path, number = Path(found[0]), int(found[2])
    if path.is_dir():
        raise LilmError("a folder", where=str(path), remedy="give one of its files; `lilm corpus` reads them all")
    if not path.is_file():
        raise LilmError("no such file", where=str(path), remedy="give a FILE, or FILE:N for its Nth record")
    if number < 1:
        raise LilmError("records are counted from 1", where=name, remedy="give FILE:1 for the first")
    return path, number


def _source(path: Path, config: CorpusConfig, lang: str) -> SourceConfig:
    """How the recipe reads this file, without a limit."""
    only = {"path": str(path.resolve()), "limit": 0}
    for source in config.sources:
        folder = source.format == AUTO and Path(source.path).is_dir()
        files = [] if source.format in MADE else globbed(f"{source.path}/**/*" if folder else source.path)
        if path.resolve() in (file.resolve() for file in files):
            known = detect(path).format if source.format == AUTO else source.format
            return source.model_copy(update={**only, "format": known})
    kind = detect(path)
    if kind.format == REFUSED:
        raise LilmError(f"it is {kind.what}", where=str(path), remedy=kind.remedy)
    return SourceConfig.model_validate({"name": "inspected", "lang": lang, "format": kind.format, **only})


def _text(path: Path, source: SourceConfig, number: int, config: CorpusConfig) -> str:
    """The file's record of that number, from 1."""
    items = (item for shard in shards(source) for item in read(shard, source, 0))
    item = next(islice(items, number - 1, None), None)
    if item is None and number == 1:
        raise LilmError("nothing in it", where=str(path), remedy="give a file that has text")
    if item is None:
        raise LilmError(f"no record {number}", where=str(path), remedy="give a smaller number")
    if isinstance(item, Bad):
        raise item.error()
    if isinstance(item, Skip):
        raise LilmError(f"left out as its source says: {item.rule} ({item.reason})", where=str(path))
    return item


def _table(said: list[Verdict]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("rule", "", "figure and limit"):
        table.add_column(title, overflow="fold")
    for verdict in said:
        mark = Text("kept", "green") if verdict.keep else Text("refused", "red")
        table.add_row(Text(verdict.name, "bold"), mark, Text(verdict.reason))
    return table
