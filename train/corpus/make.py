"""The steps of the corpus stage in order. Each step is a function of its own; here they only meet."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from lilm.artifact import Artifact
from lilm.documents import write_documents
from lilm.errors import LilmError
from lilm.hashing import write_json
from lilm.recipe import CorpusConfig, SourceConfig
from lilm.stage import Context
from lilm.train.corpus.document import Document, Drop
from lilm.train.corpus.duplicates import drop_exact
from lilm.train.corpus.heldout import repeats, split_heldout
from lilm.train.corpus.near_duplicates import drop_near
from lilm.train.corpus.normalise import normalise
from lilm.train.corpus.pieces import pieces
from lilm.train.corpus.rules import refused_by, sample
from lilm.train.corpus.sources import Item, Skip, shards
from lilm.train.corpus.tally import Tally, cluster_figures


def make_corpus(config: CorpusConfig, out_dir: Path, context: Context) -> Artifact:
    """See lilm.train.corpus.stage.run."""
    tally = Tally()
    drops: list[Drop] = []
    by_language: dict[str, list[Document]] = {source.lang: [] for source in config.sources}
    for source in config.sources:
        kept = _read(source, config, context, tally, drops)
        by_language[source.lang].extend(kept)

    languages: dict[str, Any] = {}
    for lang, documents in by_language.items():
        distinct, clusters = _distinct(lang, documents, config, context, tally, drops)
        training, heldout = split_heldout(distinct, config.heldout, config.heldout_max, context.seed)
        with tally.timed("write", _size(distinct)):
            write_documents(out_dir, lang, "train", _frame(training))
            write_documents(out_dir, lang, "heldout", _frame(heldout))
        languages[lang] = {
            "train": _figures(training),
            "heldout": {**_figures(heldout), **repeats(training, heldout)},
            "near_duplicates": cluster_figures(clusters),
        }

    for drop in drops:
        tally.dropped(drop)
    _write_drops(drops, out_dir / "drops.parquet")
    total = sum(entry["train"]["bytes"] for entry in languages.values())
    for entry in languages.values():
        entry["share"] = round(entry["train"]["bytes"] / total, 4)
    report = {"languages": languages, "sources": tally.sources(), "drops": dict(sorted(tally.drops.items()))}
    write_json(out_dir / "report.json", report)
    return Artifact(
        {
            "documents": {lang: entry["train"]["documents"] for lang, entry in languages.items()},
            "bytes": {lang: entry["train"]["bytes"] for lang, entry in languages.items()},
            "heldout_documents": {lang: entry["heldout"]["documents"] for lang, entry in languages.items()},
            "dropped": {rule: entry["documents"] for rule, entry in sorted(tally.drops.items())},
            "mb_per_s": tally.speeds(),
        }
    )


def _read(
    source: SourceConfig, config: CorpusConfig, context: Context, tally: Tally, drops: list[Drop]
) -> list[Document]:
    """The documents of one source that are normalised and pass the rules."""
    kept: list[Document] = []
    for number, item in enumerate(_items(source, context, tally)):
        name = f"{source.name}-{number:08d}"
        if isinstance(item, Skip):
            drops.append(Drop(Document(name, source.name, source.lang, item.text), item.rule, item.reason))
            continue
        size = tally.count("read", source.name, item)
        with tally.timed("normalise", size):
            text = normalise(item, source.lang, config.punctuation)
        parts = pieces(text, config.max_chars)
        for part_number, part in enumerate(parts):
            part_name = f"{name}.{part_number:04d}" if len(parts) > 1 else name
            document = Document(part_name, source.name, source.lang, part)
            part_size = tally.count("normalised", source.name, part)
            with tally.timed("filter", part_size):
                refusal = refused_by(part, source.lang, config)
            if refusal:
                drops.append(Drop(document, *refusal))
            else:
                tally.count("filtered", source.name, part)
                kept.append(document)
    if "read" not in tally.steps[source.name]:
        raise LilmError(
            "no text came out of it",
            where=f"corpus source {source.name}",
            remedy="check `path`, `format` and `field` of that source",
        )
    return kept


def _items(source: SourceConfig, context: Context, tally: Tally) -> Iterator[Item]:
    """What the source's shards hold, in order, `limit` at most; shows progress over the shards."""

    def chained() -> Iterator[Item]:
        found = shards(source, context.seed)
        with context.reporter.bar(f"read {source.name}", sum(shard.weight for shard in found)) as bar:
            for shard in found:
                yield from shard.read()
                bar.advance(shard.weight, shard.label)

    items = chained()
    return islice(items, source.limit) if source.limit else items


def _distinct(
    lang: str, documents: list[Document], config: CorpusConfig, context: Context, tally: Tally, drops: list[Drop]
) -> tuple[list[Document], list[list[str]]]:
    """Documents without exact and near duplicates, and the near-duplicate clusters."""
    with tally.timed("deduplicate", _size(documents)), context.reporter.bar(f"deduplicate {lang}", 2) as bar:
        documents, copies = drop_exact(documents)
        drops.extend(copies)
        bar.advance()
        tally.count_all("exact_deduplicated", documents)
        clusters: list[list[str]] = []
        if config.near_duplicate < 1:
            documents, copies, clusters = drop_near(documents, config.near_duplicate)
            drops.extend(copies)
        bar.advance()
    tally.count_all("near_deduplicated", documents)
    return documents, clusters


def _size(documents: Sequence[Document]) -> int:
    return sum(len(document.text.encode()) for document in documents)


def _figures(documents: Sequence[Document]) -> dict[str, int]:
    return {
        "documents": len(documents),
        "characters": sum(len(document.text) for document in documents),
        "bytes": _size(documents),
    }


def _frame(documents: Sequence[Document]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [document.id for document in documents],
            "source": [document.source for document in documents],
            "text": [document.text for document in documents],
        },
        schema={"id": pl.String, "source": pl.String, "text": pl.String},
    )


def _write_drops(drops: Sequence[Drop], path: Path) -> None:
    """Columns id, source, lang, rule, reason, text (its beginning); all strings."""
    rows = [
        (drop.document.id, drop.document.source, drop.document.lang, drop.rule, drop.reason, sample(drop.document.text))
        for drop in drops
    ]
    columns = dict.fromkeys(("id", "source", "lang", "rule", "reason", "text"), pl.String)
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(path, compression="zstd")
