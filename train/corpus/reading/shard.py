"""The first step, shard by shard: read, normalise, judge, score, and write blocks with their keys."""

import json
import resource
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from lilm.pipeline.hashing import write_json
from lilm.recipe import CorpusConfig, SourceConfig
from lilm.train.corpus.blocks import (
    PIECE_BITS,
    Block,
    Column,
    content_hashes,
    make_keys,
    make_ranks,
    save_array,
    save_frame,
)
from lilm.train.corpus.language import other_language
from lilm.train.corpus.normalise import normalise_all
from lilm.train.corpus.reading.clean import cleaned
from lilm.train.corpus.reading.contamination import EvaluationNgrams
from lilm.train.corpus.reading.rows import HELD, Rows, write_rows
from lilm.train.corpus.rules import Refusal, refusals, spans
from lilm.train.corpus.sample import marked, sample
from lilm.train.corpus.score import Scorer
from lilm.train.corpus.sources import Bad, Identified, Item, Shard, Skip, read_as
from lilm.train.corpus.tally import Tally, utf8_size

BATCH = 256  # records judged at once
BATCH_CHARS = 4_000_000  # or fewer, as soon as they have so many characters: a record may be 64 MB long
BLOCK_BYTES = 32_000_000  # UTF-8 of a block's documents
DROP_COLUMNS = ("id", "source", "lang", "rule", "reason", "text")
ID_COLUMNS = {"record": pa.uint64(), "id": pa.string(), "where": pa.string()}


@dataclass(frozen=True)
class ShardTask:
    """folder: where the blocks go. model: n-grams, for scores. evaluation: n-grams that must not be learnt.
    most: stop after that many records; 0: none."""

    number: int
    shard: Shard
    source: SourceConfig
    config: CorpusConfig
    seed: int
    folder: Path
    model: Path | None = None
    evaluation: Path | None = None
    most: int = 0

    @property
    def name(self) -> str:
        return f"{self.number:05d}"

    @property
    def prefix(self) -> str:
        return f"{self.source.name}-{self.name}"

    def id(self, record: int, piece: int = 0) -> str:
        """piece: 0 for a whole record, else its number from 1 on."""
        return f"{self.prefix}-{record:07d}" + (f".{piece - 1:04d}" if piece else "")

    @property
    def report(self) -> Path:
        """Written last: when it is there, the shard is done."""
        return self.folder / f"{self.name}.json"

    @property
    def ids(self) -> Path:
        """Records that have an id of their own: `ID_COLUMNS`."""
        return self.folder / f"{self.name}.ids.parquet"

    @property
    def marks(self) -> Path:
        """Hash of each of these ids, uint64 [ids]."""
        return self.folder / f"{self.name}.ids.npy"

    def read_report(self) -> "ShardReport":
        done = json.loads(self.report.read_text(encoding="utf-8"))
        return ShardReport(**{**done, "tally": Tally(**done["tally"])})

    def block(self, number: int, rewritten: bool = False) -> tuple[Path, Path]:
        """Documents and keys of a block; rewritten: without the records that repeat an id."""
        folder = self.folder / "rewritten" if rewritten else self.folder
        name = f"{self.name}-{number:05d}"
        return folder / f"{name}.parquet", folder / f"{name}.npy"


@dataclass
class ShardReport:
    """What a shard's work came to. rows: of each block. rewritten: blocks that stand again without the records that
    repeat an id; None: not looked at yet. ids: how many records have one. peak_memory: of the process, in bytes. bytes:
    written."""

    rows: list[int]
    rewritten: list[int] | None
    ids: int
    tally: Tally
    peak_memory: int
    bytes: int

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))


@dataclass
class _Documents:
    """What is kept, until it makes a block."""

    places: list[int]
    texts: list[str]
    perplexities: list[float]
    size: int = 0


class _Ids:
    """The records that have an id of their own, and the hashes of these."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._names: list[str] = []
        self._hashes = [np.empty(0, dtype=np.uint64)]

    def note(self, record: int, item: Identified) -> None:
        self._rows.append((record, item.id, item.where))
        self._names.append(item.id)
        if len(self._names) == HELD:
            self._hash()

    def _hash(self) -> None:
        self._hashes.append(content_hashes(self._names)[0])
        self._names = []

    def hashes(self) -> Column:
        """Of all of them, [ids]."""
        self._hash()
        return np.concatenate(self._hashes)


def work_shard(task: ShardTask) -> ShardReport:
    """Returns what `task.report` says. Done work is read back. Raises LilmError for what the reader cannot go on
    from."""
    if task.report.is_file():
        return task.read_report()
    tally = Tally()
    rows: list[int] = []
    kept = _Documents([], [], [])
    drops_file = task.folder / f"{task.name}.drops.parquet"
    with (
        write_rows(drops_file, dict.fromkeys(DROP_COLUMNS, pa.string())) as drops,
        write_rows(task.ids, ID_COLUMNS) as identified,
    ):
        ids = _Ids(identified)
        for source, batch in _batches(task, tally, drops, ids):
            _judge(task, source, batch, kept, tally, drops)
            if kept.size >= BLOCK_BYTES:
                rows.append(_write_block(task, len(rows), kept, tally))
                kept = _Documents([], [], [])
    if kept.texts:
        rows.append(_write_block(task, len(rows), kept, tally))
    if identified.count:
        save_array(task.marks, ids.hashes())
    report = ShardReport(
        rows=rows,
        rewritten=None,
        ids=identified.count,
        tally=tally,
        peak_memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        bytes=sum(path.stat().st_size for path in task.folder.glob(f"{task.name}*")),
    )
    report.save(task.report)
    return report


def blocks_of(task: ShardTask, report: ShardReport, first: int) -> Iterator[Block]:
    """The blocks that the shard made, as its report says. first: number of the first document."""
    for number, count in enumerate(report.rows):
        documents, keys = task.block(number, number in (report.rewritten or ()))
        yield Block(documents, keys, task.source.lang, task.source.name, task.prefix, first, count)
        first += count


def _batches(
    task: ShardTask, tally: Tally, drops: Rows, ids: _Ids
) -> Iterator[tuple[SourceConfig, list[tuple[int, str]]]]:
    """(number of the record, raw text) of what the shard holds, with the source as these were read, all of one format;
    broken input and forbidden text are counted, and records that have ids are noted."""
    source, items = task.source, read_as(task.shard, task.source, task.seed)
    if task.most:
        items = islice(items, task.most)
    batch: list[tuple[int, str]] = []
    held = 0  # characters of the batch
    for number, (known, item) in enumerate(_timed(items, tally)):
        if batch and (len(batch) == BATCH or held >= BATCH_CHARS or known.format != source.format):
            yield source, batch
            batch, held = [], 0
        source = known
        tally.record(source.name, item.records if isinstance(item, Bad) else 1)
        if isinstance(item, Bad):
            if task.config.bad_input == "stop":
                raise item.error()
            tally.broken(source.name, item.where, item.what, item.records)
            continue
        if isinstance(item, Skip):
            _drop(task, task.id(number), Refusal(item.rule, item.reason), item.text, tally, drops)
            continue
        if isinstance(item, Identified):
            ids.note(number, item)
        batch.append((number, item))
        held += len(item)
    if batch:
        yield source, batch


def _timed(items: Iterator[tuple[SourceConfig, Item]], tally: Tally) -> Iterator[tuple[SourceConfig, Item]]:
    """The items, with the time that reading takes."""
    while True:
        with tally.timed("read", 0):
            found = next(items, None)
        if found is None:
            return
        if isinstance(found[1], str):
            tally.sizes["read"] += utf8_size(found[1])
        yield found


def _judge(
    task: ShardTask,
    source: SourceConfig,
    batch: list[tuple[int, str]],
    kept: _Documents,
    tally: Tally,
    drops: Rows,
) -> None:
    """Adds to `kept` what the rules leave of a batch of raw texts. source: as they were read."""
    config = task.config
    size = sum(utf8_size(text) for _, text in batch)
    tally.count(source.name, "read", len(batch), size)
    with tally.timed("normalise", size):
        normal = normalise_all([text for _, text in batch], source.lang, config.punctuation)
    with tally.timed("filter", size):
        documents = [
            (record, piece + 1 if len(parts) > 1 else 0, part)
            for (record, _), parts in zip(batch, cleaned(normal, source, config), strict=True)
            for piece, part in enumerate(parts)
        ]
        texts = [text for _, _, text in documents]
        refused = refusals(texts, source.lang, config.rules, source.is_web)
    sizes = [utf8_size(text) for text in texts]
    tally.count(source.name, "normalised", len(texts), sum(sizes))
    with tally.timed("language", sum(sizes) if source.tells_language else 0):
        if source.tells_language:
            refused = [why or _foreign(text, task) for why, text in zip(refused, texts, strict=True)]
    if task.evaluation is not None:
        with tally.timed("decontaminate", sum(sizes)):
            refused = [
                why or _contaminated(text, task.evaluation, tally) for why, text in zip(refused, texts, strict=True)
            ]
    good: list[tuple[int, str, int]] = []
    for (record, piece, text), why, one in zip(documents, refused, sizes, strict=True):
        if why:
            _drop(task, task.id(record, piece), why, text, tally, drops)
        else:
            good.append(((record << int(PIECE_BITS)) | piece, text, one))
    size = sum(one for _, _, one in good)
    tally.count(source.name, "filtered", len(good), size)
    kept.places += [place for place, _, _ in good]
    kept.texts += [text for _, text, _ in good]
    kept.size += size
    if task.model is not None and good:
        with tally.timed("score", size):
            kept.perplexities += _scorer(task.model).perplexity([text for _, text, _ in good]).tolist()


def _foreign(text: str, task: ShardTask) -> Refusal | None:
    keep, reason = other_language(text, task.source.lang)
    return None if keep else Refusal("language", reason)


def _contaminated(text: str, evaluation: Path, tally: Tally) -> Refusal | None:
    found = _evaluation(evaluation).find(text)
    if found is None:
        return None
    passage, name = found
    tally.contaminated[name] = tally.contaminated.get(name, 0) + 1
    return Refusal("contaminated", f"「{passage}」 stands in {name}")


def _drop(task: ShardTask, name: str, why: Refusal, text: str, tally: Tally, drops: Rows) -> None:
    rule, reason, kept_by = why
    lang = task.source.lang
    tally.drop(rule, name, reason, utf8_size(text), lambda: marked(text, spans(rule, text, lang)), kept_by)
    drops.append((name, task.source.name, lang, rule, reason, sample(text)))


def _write_block(task: ShardTask, number: int, kept: _Documents, tally: Tally) -> int:
    """Returns how many documents it has."""
    scores = kept.perplexities if task.model is not None else None
    with tally.timed("sign", kept.size):
        places = np.array(kept.places, dtype=np.uint64)
        ranks = make_ranks(scores, [len(text) for text in kept.texts])
        keys = make_keys(places, kept.texts, ranks, task.config.dedup.near)
    with tally.timed("write", kept.size):
        frame = pl.DataFrame({"text": kept.texts}, schema={"text": pl.String})
        documents_file, keys_file = task.block(number)
        save_frame(documents_file, frame)
        save_array(keys_file, keys)
    return len(kept.texts)


@cache
def _scorer(model: Path) -> Scorer:
    """Loaded once in a process."""
    return Scorer(model)


@cache
def _evaluation(path: Path) -> EvaluationNgrams:
    return EvaluationNgrams.load(path)
