"""Choosing the held-out documents of each language."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lilm.recipe import CorpusConfig
from lilm.train.corpus.blocks import HASH_HIGH, HASH_LOW, RANK, Block, Column, rank_perplexities, save_array
from lilm.train.corpus.duplicates.find import Copies, without
from lilm.train.corpus.finishing.heldout import Passages, held_texts, least, lots
from lilm.train.corpus.score import Cuts, buckets_of


@dataclass(frozen=True)
class Held:
    """numbers: file of all held-out documents' numbers, sorted. passages: by language, to be looked for in
    training."""

    numbers: Path
    passages: dict[str, Path]


class TooFew(Exception):
    """No document to train on, or none to measure with."""

    def __init__(self, documents: int, lang: str) -> None:
        self.documents, self.lang = documents, lang
        super().__init__(f"{documents} of {lang}")


def choose_heldout(
    blocks: list[Block], copies: Copies, cuts: Mapping[str, Cuts], config: CorpusConfig, seed: int, folder: Path
) -> Held:
    """The share `heldout` of each language's documents, `heldout_max` at most: those with the least lots.

    Raises TooFew when a language has fewer than two documents.
    """
    passages: dict[str, Path] = {}
    chosen = [np.empty(0, dtype=np.uint64)]
    for lang in dict.fromkeys(source.lang for source in config.sources):
        mine = [block for block in blocks if block.lang == lang]
        numbers = _chosen(mine, lang, copies, cuts.get(lang), config, seed)
        chosen.append(numbers)
        path = folder / f"passages-{lang}.npy"
        if not path.is_file():
            Passages.of(held_texts(mine, numbers)).save(path)
        passages[lang] = path
    held = folder / "heldout.npy"
    save_array(held, np.sort(np.concatenate(chosen)))
    return Held(held, passages)


def _chosen(
    blocks: list[Block], lang: str, copies: Copies, limits: Cuts | None, config: CorpusConfig, seed: int
) -> Column:
    drawn, numbers, documents = np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64), 0
    for block in blocks:
        rows = without(block, copies.exact, copies.near)
        if limits is not None:
            rows = rows[buckets_of(rank_perplexities(block.key(RANK)[rows]).astype(np.float32), limits) >= 0]
        documents += len(rows)
        new = lots(seed, block.key(HASH_LOW)[rows], block.key(HASH_HIGH)[rows])
        drawn, numbers = least(
            np.concatenate([drawn, new]),
            np.concatenate([numbers, rows.astype(np.uint64) + np.uint64(block.first)]),
            config.heldout_max,
        )
    if documents < 2:
        raise TooFew(documents, lang)
    return numbers[: min(config.heldout_max, max(1, round(config.heldout * documents)), documents - 1)]
