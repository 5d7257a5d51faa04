"""Choosing the held-out documents of each language."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.errors import LilmError
from lilm.train.corpus.blocks import (
    HASH_HIGH,
    HASH_LOW,
    PIECE_BITS,
    PLACE,
    RANK,
    Block,
    Column,
    rank_perplexities,
    save_array,
)
from lilm.train.corpus.duplicates.find import Copies, without
from lilm.train.corpus.finishing.cuts import ScoreCuts
from lilm.train.corpus.finishing.heldout import Passages, held_texts, least, lots
from lilm.train.corpus.score import buckets_of
from lilm.train.corpus.tally import Tally
from lilm.train.corpus.work import Work

FEW = 2_000  # documents of a language, up to which records are held out whole


@dataclass(frozen=True)
class Held:
    """numbers: file of all held-out documents' numbers, sorted. passages: by language, to be looked for in
    training."""

    numbers: Path
    passages: dict[str, Path]


def choose_heldout(blocks: list[Block], copies: Copies, cuts: Mapping[str, ScoreCuts], work: Work) -> Held:
    """The share `heldout` of each language's documents, `heldout_max` at most: those with the least lots.

    Where there are few, a record of a source that was cut into pieces is held out whole or not at all: pieces of one
    novel tell of each other. Raises LilmError when a language has fewer than two documents, one to train on and one to
    measure.
    """
    passages: dict[str, Path] = {}
    chosen = [np.empty(0, dtype=np.uint64)]
    for lang in dict.fromkeys(source.lang for source in work.config.sources):
        mine = [block for block in blocks if block.lang == lang]
        numbers = _chosen(mine, lang, copies, cuts.get(lang), work)
        chosen.append(numbers)
        path = work.folder / f"passages-{lang}.npy"
        if not path.is_file():
            Passages.of(held_texts(mine, numbers)).save(path)
        passages[lang] = path
    held = work.folder / "heldout.npy"
    save_array(held, np.sort(np.concatenate(chosen)))
    return Held(held, passages)


def _chosen(blocks: list[Block], lang: str, copies: Copies, limits: ScoreCuts | None, work: Work) -> Column:
    config = work.config
    drawn, numbers, documents = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64), 0
    for block in blocks:
        rows = without(block, copies.exact, copies.near)
        if limits is not None:
            rows = rows[buckets_of(rank_perplexities(block.key(RANK)[rows]).astype(np.float32), limits.cuts) >= 0]
        documents += len(rows)
        new = lots(work.context.seed, block.key(HASH_LOW)[rows], block.key(HASH_HIGH)[rows])
        drawn, numbers = least(
            np.concatenate([drawn, new]),
            np.concatenate([numbers, block.numbers(rows)]),
            max(config.heldout_max, FEW),
        )
    if documents < 2:
        raise _too_few(documents, lang, work.tally)
    wanted = min(config.heldout_max, max(1, round(config.heldout * documents)), documents - 1)
    if documents <= FEW:
        return _whole_records(blocks, numbers, wanted, min(config.heldout_max, max(wanted, documents // 3)))
    return numbers[:wanted]


def _whole_records(blocks: list[Block], drawn: Column, wanted: int, most: int) -> Column:
    """Of documents in the order of their lots, about `wanted`: all that are left of a record, or none of them. A record
    that would make it more than `most` is passed over; where all would, single pieces are held out."""
    ordered = np.sort(drawn)
    record_of: dict[int, tuple[str, int]] = {}
    for block in blocks:
        rows = block.rows_among(ordered)
        records = block.key(PLACE)[rows] >> PIECE_BITS
        numbers = block.numbers(rows).tolist()
        record_of |= {number: (block.prefix, one) for number, one in zip(numbers, records.tolist(), strict=True)}
    pieces: dict[tuple[str, int], list[int]] = {}
    for number in drawn.tolist():
        pieces.setdefault(record_of[number], []).append(number)
    held: list[int] = []
    for group in pieces.values():
        if len(held) >= wanted:
            break
        if len(held) + len(group) <= most:
            held += group
    return np.array(held, dtype=np.uint64) if held else drawn[:wanted]


def _too_few(documents: int, lang: str, tally: Tally) -> LilmError:
    drops = sorted(tally.drops.items(), key=lambda item: -item[1]["documents"])[:3]
    most = "; ".join(f"{rule} {entry['documents']} (such as: {entry['samples'][0]['reason']})" for rule, entry in drops)
    return LilmError(
        f"{documents} document{'s' * (documents != 1)} left of language {lang!r}; one is needed to train on and one to "
        "measure",
        where="corpus",
        remedy=f"add text, lower max_chars, or loosen the rules that drop most: {most or 'none'}",
    )
