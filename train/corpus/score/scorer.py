"""Perplexity per character: how much a text surprises a model of good text."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lilm.train.corpus.score.model import open_model
from lilm.train.corpus.score.symbols import lines

EXCERPT = 5_000  # characters of a long text that are looked at

Perplexities = np.ndarray[tuple[int], np.dtype[np.float32]]


class Scorer:
    """Cheap to make and to send to another process: the model is loaded when the first text comes, once per process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def perplexity(self, texts: Sequence[str]) -> Perplexities:
        """exp(-log P / n) of each text, [texts]: n counts its characters and line ends; a text of nothing has infinity.

        Lines are sentences of their own. Of texts of more than EXCERPT characters a third of it each is taken from
        the beginning, the middle and the end. Raises LilmError when the model cannot be read.
        """
        model = open_model(str(self.path))
        found = np.full(len(texts), np.inf, dtype=np.float32)
        for index, text in enumerate(texts):
            log10, count = 0.0, 0
            for line, begins, ends in _sentences(text):
                log10 += model.log10(line, begins, ends)
                count += len(line) + ends
            if count:
                found[index] = 10.0 ** min(-log10 / count, 38.0)
        return found


def _sentences(text: str) -> Iterator[tuple[str, bool, bool]]:
    """Lines to score; whether it is the beginning and the end of one."""
    if len(text) <= EXCERPT:
        yield from ((line, True, True) for line in lines(text))
        return
    third = EXCERPT // 3
    for start in (0, (len(text) - third) // 2, len(text) - third):
        stop = start + third
        cut = lines(text[start:stop])
        begins = start == 0 or "\n" in text[start - 1 : start + 1]
        ends = stop == len(text) or "\n" in text[stop - 1 : stop + 1]
        for number, line in enumerate(cut):
            yield line, begins or number > 0, ends or number < len(cut) - 1
