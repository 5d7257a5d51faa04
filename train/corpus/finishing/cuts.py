"""Where the scores of a language's documents part them into buckets, and from where on they are dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lilm.recipe import ScoreConfig
from lilm.train.corpus.blocks import RANK, Block, rank_perplexities
from lilm.train.corpus.duplicates.find import Copies, without
from lilm.train.corpus.score import Cuts, cuts, histogram, merge


@dataclass(frozen=True)
class ScoreCuts:
    """counts: histogram of the documents' perplexities, see lilm.train.corpus.score.buckets."""

    cuts: Cuts
    counts: Any


def find_cuts(blocks: Sequence[Block], copies: Copies, config: ScoreConfig) -> dict[str, ScoreCuts]:
    """Returns the cuts by language, of scored blocks, copies left out."""
    totals: dict[str, Any] = {}
    for block in blocks:
        rows = without(block, copies.exact, copies.near)
        perplexities = rank_perplexities(block.key(RANK)[rows]).astype(np.float32)
        counts = histogram(perplexities)
        totals[block.lang] = merge([totals[block.lang], counts]) if block.lang in totals else counts
    return {lang: ScoreCuts(cuts(counts, config.drop, config.buckets), counts) for lang, counts in totals.items()}
